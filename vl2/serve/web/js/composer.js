/** Where a question is put: pictures, a verb, a text. What is typed is kept with its conversation until it is sent. */

import { isRunning, runningIn, stop } from "./chat.js";
import { find, h, iconButton } from "./dom.js";
import { saveConversation } from "./history.js";
import { icon } from "./icons.js";
import { fileInput } from "./intake.js";
import { discardPicture, picturesOf } from "./pictures.js";
import { thumbnail } from "./thumbnails.js";
import { close as closeTiles } from "./tiles.js";
import { LENGTHS, VERBS } from "./verbs.js";

const SAVE_AFTER_MS = 300;
const LENGTH_NAMES = { short: "A few words", normal: "Normal", long: "In detail" };

export class Composer {
  /** `page` is what the page can do, see app.js. */
  constructor(page) {
    this.page = page;
    this.form = find("#composer");
    this.attachments = h("div", {
      class: "attachments",
      role: "group",
      "aria-label": "Pictures to send",
      hidden: true,
    });
    this.field = h("textarea", { id: "question", rows: 1, "aria-label": "Question", enterkeyhint: "send" });
    this.hint = h("p", { class: "verb-hint", hidden: true });
    this.lengths = this.lengthChoice();
    this.complaint = h("p", { class: "complaint", role: "alert", hidden: true });
    const picker = fileInput("Add pictures", (files) => page.addFiles(files));
    const camera = fileInput("Take a picture", (files) => page.addFiles(files), { camera: true });
    this.add = iconButton("picture", "Add pictures", () => picker.click(), { class: "quiet" });
    const shoot = iconButton("camera", "Take a picture", () => camera.click(), { class: "quiet camera" });
    this.send = h("button", { type: "submit", class: "send", "aria-label": "Send" }, icon("send"));
    const bar = h("div", { class: "bar" }, this.add, shoot, this.verbChoice(), this.send);
    this.form.append(this.attachments, this.field, this.hint, this.lengths, this.complaint, bar, picker, camera);
    this.listen();
  }

  listen() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.field.addEventListener("input", () => {
      this.draft.text = this.field.value;
      this.fit();
      this.complain(null);
      this.save();
    });
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        if (!this.running) this.submit();
      }
    });
    this.form.addEventListener("keydown", (event) => event.key === "Escape" && this.running && stop(this.running));
  }

  /** Show the draft of a conversation. */
  bind(conversation) {
    this.conversation = conversation;
    this.field.value = this.draft.text;
    this.complain(null);
    this.update();
    this.fit();
  }

  get draft() {
    return this.conversation.draft;
  }

  /** Show the state of the draft, and whether an answer is being written. */
  update() {
    const verb = VERBS[this.draft.verb];
    const pictures = picturesOf(this.draft.pictures);
    closeTiles();
    this.attachments.hidden = pictures.length === 0;
    this.attachments.replaceChildren(...pictures.map((picture, at) => this.attachment(picture, at, pictures)));
    find(`input[value=${this.draft.verb}]`, this.form).checked = true;
    this.field.hidden = verb.text === null;
    this.field.placeholder = verb.placeholder;
    this.hint.hidden = verb.text !== null;
    this.hint.textContent = verb.hint;
    this.lengths.hidden = this.draft.verb !== "describe";
    this.updateSend();
  }

  updateSend() {
    const running = runningIn(this.conversation);
    if (this.send.title && running === this.running) return;
    this.running = running;
    const label = this.running ? "Stop" : "Send";
    this.send.classList.toggle("stop", Boolean(this.running));
    this.send.setAttribute("aria-label", label);
    this.send.title = label;
    this.send.replaceChildren(icon(label.toLowerCase()));
  }

  attachment(picture, at, pictures) {
    return thumbnail(picture, {
      among: this.page.allPictures,
      onopen: () =>
        this.page.enlarge(
          pictures.map((one) => ({ picture: one })),
          at,
        ),
      ondraw: () => this.page.draw(picture),
      onremove: () => this.remove(picture),
    });
  }

  attach(pictures) {
    this.draft.pictures.push(...pictures.map((picture) => picture.id));
    this.changed();
  }

  replace(old, picture) {
    const at = this.draft.pictures.indexOf(old.id);
    this.draft.pictures.splice(at, 1, picture.id);
    discardPicture(old.id);
    this.changed();
  }

  async remove(picture) {
    this.draft.pictures = this.draft.pictures.filter((id) => id !== picture.id);
    await discardPicture(picture.id);
    this.changed();
    this.focus();
  }

  /** Put a text into the field, if one is given. */
  write(text) {
    if (text) this.draft.text = this.field.value = text;
    this.fit();
    this.save();
  }

  changed() {
    this.complain(null);
    this.update();
    this.save();
  }

  submit() {
    if (this.running && isRunning(this.running)) return stop(this.running);
    const { draft } = this;
    const verb = VERBS[draft.verb];
    const text = draft.text.trim();
    if (verb.picture && this.page.allPictures().length === 0)
      return this.complain("Add a picture first: drop it here, paste it, or pick it.");
    if (verb.text !== null && !text) return this.complain(`Type a ${verb.text} first.`);
    const fields = {
      verb: draft.verb,
      text: verb.text === null ? "" : text,
      pictures: draft.pictures,
      length: draft.length ?? "normal",
    };
    Object.assign(draft, { text: verb.text === null ? draft.text : "", pictures: [] });
    this.bind(this.conversation);
    this.page.submit(fields);
  }

  complain(text) {
    this.complaint.hidden = text === null;
    this.complaint.textContent = text ?? "";
    if (text !== null) this.focus();
  }

  focus() {
    (this.field.hidden ? this.add : this.field).focus();
  }

  /** Grow with the text. */
  fit() {
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight}px`;
  }

  save() {
    clearTimeout(this.saving);
    const { conversation } = this;
    this.saving = setTimeout(() => saveConversation(conversation), SAVE_AFTER_MS);
  }

  verbChoice() {
    const choose = (verb) => {
      this.draft.verb = verb;
      this.changed();
      this.fit();
    };
    const options = Object.entries(VERBS).map(([verb, { label, hint }]) => {
      const input = h("input", { type: "radio", name: "verb", value: verb, onchange: () => choose(verb) });
      return h("label", { title: hint }, input, h("span", {}, label));
    });
    return h("fieldset", { class: "pills verbs" }, h("legend", { class: "off-screen" }, "What to do"), options);
  }

  lengthChoice() {
    const options = LENGTHS.map((length) => {
      const choose = () => {
        this.draft.length = length;
        this.save();
      };
      const input = h("input", {
        type: "radio",
        name: "length",
        value: length,
        checked: length === "normal",
        onchange: choose,
      });
      return h("label", {}, input, h("span", {}, LENGTH_NAMES[length]));
    });
    return h(
      "fieldset",
      { class: "pills lengths", hidden: true },
      h("legend", { class: "off-screen" }, "Length"),
      options,
    );
  }
}
