/** Dialogs: made when they open, gone when they close; the focus returns to where it was. */

import { h, iconButton, textButton } from "./dom.js";

/** Open a dialog and return it; `onclose` is called once. Esc, the cross and a click beside it close it. */
export function openDialog({ title, name, content, onclose = () => {}, isModal = true }) {
  const heading = h("h2", { id: `${name}-title` }, title);
  const dialog = h("dialog", { class: `dialog ${name}`, "aria-labelledby": heading.id });
  const close = () => dialog.close();
  dialog.append(h("header", {}, heading, iconButton("close", "Close", close)), ...[content].flat());
  dialog.addEventListener("close", () => {
    dialog.remove();
    onclose();
  });
  dialog.addEventListener("pointerdown", (event) => event.target === dialog && isOutside(event, dialog) && close());
  document.body.append(dialog);
  if (isModal) dialog.showModal();
  else dialog.show();
  return dialog;
}

function isOutside(event, dialog) {
  const { left, right, top, bottom } = dialog.getBoundingClientRect();
  return event.clientX < left || event.clientX > right || event.clientY < top || event.clientY > bottom;
}

/** Ask for one line of text. Returns a promise of it; null when the dialog was closed. */
export function askLine({ title, label, value = "", action, note, type = "text" }) {
  return new Promise((resolve) => {
    let given = null;
    const field = h("input", { id: "line", type, value, required: true, autocomplete: "off" });
    const submit = (event) => {
      event.preventDefault();
      given = field.value.trim() || null;
      dialog.close();
    };
    const buttons = h(
      "div",
      { class: "buttons" },
      textButton(null, action, undefined, { type: "submit", class: "primary" }),
    );
    const form = h(
      "form",
      { onsubmit: submit },
      note && h("p", { class: "note" }, note),
      h("label", { htmlFor: "line" }, label),
      field,
      buttons,
    );
    const dialog = openDialog({ title, name: "ask-line", content: form, onclose: () => resolve(given) });
    field.focus();
    field.select();
  });
}

/** Ask before something is lost. Returns a promise of true or false. */
export function confirmLoss({ title, note, action }) {
  return new Promise((resolve) => {
    let isConfirmed = false;
    const confirm = () => {
      isConfirmed = true;
      dialog.close();
    };
    const buttons = h(
      "div",
      { class: "buttons" },
      textButton(null, "Keep", () => dialog.close()),
      textButton(null, action, confirm, { class: "danger" }),
    );
    const content = [h("p", { class: "note" }, note), buttons];
    const dialog = openDialog({ title, name: "confirm", content, onclose: () => resolve(isConfirmed) });
  });
}

let toastTimer = 0;

/** Show a line at the foot of the page for a while. */
export function toast(text) {
  const line = document.querySelector("#toast");
  line.textContent = text;
  line.classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => line.classList.remove("shown"), 5000);
}
