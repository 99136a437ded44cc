/** A question in the thread: its pictures, its text, and the ways to change it. */

import { copyFrom } from "./copy.js";
import { h, iconButton, textButton } from "./dom.js";
import { picturesOf } from "./pictures.js";
import { thumbnail } from "./thumbnails.js";
import { VERBS } from "./verbs.js";
import { versionSwitch } from "./versions.js";

export class QuestionTurn {
  /** `page` is what the page can do, see app.js. */
  constructor(conversation, turn, page) {
    Object.assign(this, { conversation, turn, page });
    this.element = h("article", { class: "turn question", "aria-label": "Question", dataset: { turn: turn.id } });
    this.update();
  }

  update() {
    const { turn, page, conversation } = this;
    const pictures = picturesOf(turn.pictures);
    const thumbnails = pictures.map((picture, at) =>
      thumbnail(picture, {
        among: page.allPictures,
        onopen: () =>
          page.enlarge(
            pictures.map((one) => ({ picture: one })),
            at,
          ),
      }),
    );
    const isSpoken = VERBS[turn.verb].text !== null;
    this.element.replaceChildren(
      ...(pictures.length
        ? [h("div", { class: `thumbnails ${pictures.length === 1 ? "single" : ""}` }, thumbnails)]
        : []),
      h(
        "div",
        { class: "said" },
        this.bubble(),
        h(
          "div",
          { class: "turn-tools" },
          isSpoken && iconButton("copy", "Copy the question", (event) => copyFrom(event.currentTarget, turn.text)),
          isSpoken && iconButton("edit", "Edit the question", () => this.edit()),
          versionSwitch(conversation, turn, page),
        ),
      ),
    );
  }

  bubble() {
    const { verb, text, length } = this.turn;
    const badge = verb === "ask" ? null : h("span", { class: "badge" }, VERBS[verb].label);
    const said =
      verb === "describe" ? { short: "in a few words", normal: "the picture", long: "in detail" }[length] : text;
    return h("div", { class: "bubble", dir: "auto" }, badge, said);
  }

  /** Put a field in the place of the text; what is sent from it becomes a new version. */
  edit() {
    const { turn, page } = this;
    const field = h("textarea", { "aria-label": "Question", value: turn.text, rows: 2 });
    const submit = (event) => {
      event.preventDefault();
      if (field.value.trim()) page.askAgain(turn, field.value.trim());
    };
    const cancel = () => {
      this.update();
      this.element.querySelector(".turn-tools button[aria-label^=Edit]").focus();
    };
    const send = textButton(null, "Send", undefined, { type: "submit", class: "primary" });
    const form = h(
      "form",
      { class: "edit", onsubmit: submit },
      field,
      h("div", { class: "buttons" }, textButton(null, "Cancel", cancel), send),
    );
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") cancel();
      else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
    });
    this.element.querySelector(".said").replaceWith(form);
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }
}
