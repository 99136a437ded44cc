/** Draw on a picture and ask about what is marked: a box, an ellipse, an arrow or a scribble, in a colour with a name. */

import { openDialog } from "./dialogs.js";
import { h, iconButton, textButton } from "./dom.js";
import { DrawingStage } from "./drawing_stage.js";
import { icon } from "./icons.js";
import { decoded, toBlob } from "./pictures.js";
import { COLOURS, KINDS, WIDTHS } from "./shapes.js";

const pen = { kind: "box", colour: "red", width: "medium" }; // kept from one drawing to the next

/**
 * Open the drawing of a picture. `onready({ picture, text, isSent })` gets the fields of the drawn picture, the
 * question, and whether to send it at once. The undrawn picture is kept beside, so that a drawing can be taken up again.
 */
export async function openDrawing(picture, onready) {
  const original = picture.original ?? picture.blob;
  const stage = new DrawingStage(await decoded(original), picture.shapes ?? [], { pen: () => pen, onchange: update });
  const question = h("input", { id: "marked-question", type: "text", autocomplete: "off", enterkeyhint: "send" });
  const undo = iconButton("undo", "Undo", () => stage.undo());
  const redo = iconButton("redo", "Redo", () => stage.redo());
  const clear = iconButton("remove", "Remove all shapes", () => stage.clear());
  const attach = textButton(null, "Attach", () => finish(false));
  const send = textButton("send", "Ask", undefined, { type: "submit", class: "primary" });

  function update() {
    const last = stage.shapes.at(-1) ?? pen;
    question.placeholder = KINDS[last.kind].question(last.colour);
    undo.disabled = clear.disabled = stage.shapes.length === 0;
    redo.disabled = stage.undone.length === 0;
    attach.disabled = send.disabled = stage.shapes.length === 0 && !picture.shapes;
  }

  async function finish(isSent) {
    const shapes = stage.shapes;
    const type = original.type === "image/jpeg" ? original.type : "image/png";
    const blob = shapes.length ? await toBlob(stage.canvas, type) : original;
    const text = question.value.trim() || (isSent ? question.placeholder : "");
    dialog.close();
    onready({ picture: { name: picture.name, ...stage.size, blob, original, shapes }, text, isSent });
  }

  const submit = (event) => {
    event.preventDefault();
    if (!send.disabled) finish(true);
  };
  const tools = h(
    "div",
    { class: "drawing-tools" },
    choices(
      "kind",
      "Shape",
      Object.entries(KINDS).map(([kind, { label }]) => [kind, label, icon(kind)]),
      update,
    ),
    choices(
      "colour",
      "Colour",
      Object.entries(COLOURS).map(([colour, shade]) => [colour, colour, swatch(shade)]),
      update,
    ),
    choices(
      "width",
      "Line",
      Object.keys(WIDTHS).map((width) => [width, width, h("span", { class: `line ${width}` })]),
      update,
    ),
    h("div", { class: "history-buttons" }, undo, redo, clear),
  );
  const form = h(
    "form",
    { class: "drawing-question", onsubmit: submit },
    h("label", { htmlFor: question.id, class: "off-screen" }, "Question about what is marked"),
    question,
    attach,
    send,
  );
  update();
  const dialog = openDialog({
    title: "Mark and ask",
    name: "drawing",
    content: [tools, h("div", { class: "drawing-room" }, stage.element), form],
  });
  stage.canvas.focus();
  return dialog;
}

const swatch = (shade) => h("span", { class: "swatch", style: { "--colour": shade } });

/** Return a group of radio buttons of [value, label, picture] that sets a field of the pen. */
function choices(field, legend, rows, onchange) {
  const options = rows.map(([value, label, shown]) => {
    const choose = () => {
      pen[field] = value;
      name.textContent = label;
      onchange();
    };
    const input = h("input", {
      type: "radio",
      name: field,
      value,
      checked: pen[field] === value,
      "aria-label": label,
      onchange: choose,
    });
    return h("label", { class: "choice", title: label }, input, shown);
  });
  const name = h("span", { class: "chosen" }, rows.find(([value]) => value === pen[field])[1]);
  return h(
    "fieldset",
    { class: `choices ${field}` },
    h("legend", {}, legend, " ", name),
    h("div", { class: "options" }, options),
  );
}
