/** The reading view: pages, each beside its text. */

import { post } from "./api.js";
import { announce } from "./announce.js";
import { Figure } from "./boxes.js";
import { copyFrom, download } from "./copy.js";
import { find, h, iconButton, textButton } from "./dom.js";
import { fileName } from "./format.js";
import { saveConversation } from "./history.js";
import { icon } from "./icons.js";
import { fileInput } from "./intake.js";
import { Prose } from "./markdown.js";
import { failure, notice, waiting } from "./notices.js";
import { contentOf, pictureOf } from "./pictures.js";
import { statsStrip } from "./stats.js";

const QUIET = { class: "quiet" };
const reading = new Map(); // page -> AbortController

export class Reader {
  /** `page` is what the page can do, see app.js. */
  constructor(page) {
    this.page = page;
    this.element = find("#reader");
    this.isFormatted = false;
  }

  /** Show the pages of a conversation of kind "read". */
  bind(conversation, at = 0) {
    this.conversation = conversation;
    this.at = at;
    this.draw();
  }

  /** Add pictures as pages and read them one after the other. */
  async add(pictures) {
    const { conversation } = this;
    const pages = pictures.map((picture) => ({ picture: picture.id, text: "", state: "waiting" }));
    conversation.pages.push(...pages);
    this.bind(conversation, conversation.pages.length - pages.length);
    for (const page of pages) if (conversation.pages.includes(page)) await this.read(conversation, page);
  }

  async read(conversation, page) {
    const control = new AbortController();
    const started = performance.now();
    reading.set(page, control);
    page.state = "reading";
    this.redraw(conversation);
    try {
      const body = { model: await this.page.model(), image_url: await contentOf(pictureOf(page.picture)) };
      const { text, usage } = await post("/v1/read", body, control.signal);
      Object.assign(page, { text, usage, state: "done", timing: { whole: performance.now() - started } });
      announce("The page is read.");
    } catch (error) {
      Object.assign(page, {
        state: control.signal.aborted ? "stopped" : "failed",
        problem: { message: error.message, retryAfter: error.retryAfter },
      });
    }
    reading.delete(page);
    this.redraw(conversation);
    await saveConversation(conversation);
  }

  redraw(conversation) {
    if (conversation === this.conversation) this.draw();
  }

  draw() {
    const { pages } = this.conversation;
    const page = pages[this.at];
    this.element.classList.toggle("is-empty", !page);
    this.element.replaceChildren(...(page ? [this.picturePane(page), this.textPane(page)] : [this.empty()]));
  }

  empty() {
    const picker = fileInput("Choose pages", (files) => this.page.addFiles(files));
    const camera = fileInput("Take a picture of a page", (files) => this.page.addFiles(files), { camera: true });
    return h(
      "div",
      { class: "read-start" },
      h("div", { class: "drop-target" }, icon("page"), h("h2", {}, "Read a page"), h("p", {}, "Drop, paste or choose pictures of text: a page, a receipt, a sign. The text appears beside each."),
        h("div", { class: "buttons" }, textButton("picture", "Choose pictures", () => picker.click(), { class: "primary" }), textButton("camera", "Take a picture", () => camera.click(), { class: "camera" }))),
      picker,
      camera,
    ); // prettier-ignore
  }

  picturePane(page) {
    const picture = pictureOf(page.picture);
    const views = this.conversation.pages.map((one) => ({ picture: pictureOf(one.picture) }));
    const figure = new Figure(picture, { onopen: () => this.page.enlarge(views, this.at) });
    return h(
      "section",
      { class: "read-picture", "aria-label": "Page" },
      h("div", { class: "read-head" }, this.turning(), this.adding()),
      h("div", { class: "read-figure" }, figure.element),
    );
  }

  turning() {
    const { length } = this.conversation.pages;
    const step = (by) => this.bind(this.conversation, this.at + by);
    const label = h(
      "span",
      { class: "page-number" },
      length > 1 ? `Page ${this.at + 1} of ${length}` : pictureOf(this.conversation.pages[0].picture).name,
    );
    if (length < 2) return label;
    const back = iconButton("previous", "Previous page", () => step(-1), { disabled: this.at === 0, class: "quiet" });
    const on = iconButton("next", "Next page", () => step(1), { disabled: this.at === length - 1, class: "quiet" });
    return h("div", { class: "turning" }, back, label, on);
  }

  adding() {
    const picker = fileInput("Add pages", (files) => this.page.addFiles(files));
    return h(
      "div",
      {},
      iconButton("add", "Add pages", () => picker.click(), { class: "quiet" }),
      picker,
    );
  }

  textPane(page) {
    const tools = [
      page.text && iconButton("copy", "Copy the text", (event) => copyFrom(event.currentTarget, page.text), QUIET),
      page.text && iconButton("download", "Save the text of all pages", () => this.save(), QUIET),
      !reading.has(page) && iconButton("retry", "Read again", () => this.read(this.conversation, page), QUIET),
      textButton("chat", "Ask", () => this.page.askAbout(pictureOf(page.picture)), { title: "Ask about this page" }),
    ];
    const head = h(
      "div",
      { class: "read-head" },
      page.text ? this.formatting() : h("span"),
      h("div", { class: "group" }, tools),
    );
    const props = { class: "read-body", tabIndex: 0, role: "region", "aria-label": "Text of the page" };
    const body = h("div", props, this.body(page), page.state === "done" && statsStrip(page));
    return h("section", { class: "read-text", "aria-label": "Text" }, head, body);
  }

  formatting() {
    const toggle = (event) => {
      this.isFormatted = event.target.checked;
      this.draw();
      find(".formatting input", this.element).focus();
    };
    return h(
      "label",
      { class: "switch formatting" },
      h("span", {}, "Formatted"),
      h("input", { type: "checkbox", role: "switch", checked: this.isFormatted, onchange: toggle }),
    );
  }

  body(page) {
    if (reading.has(page)) return waiting("Reading");
    if (page.state === "failed") return failure(page.problem, () => this.read(this.conversation, page));
    if (page.state !== "done") return notice("This page is not read yet.");
    if (!page.text.trim()) return notice("The model found no text here.");
    const text = h("div", { class: this.isFormatted ? "prose" : "page-text", dir: "auto" });
    if (this.isFormatted) new Prose(text).show(page.text);
    else text.textContent = page.text;
    return text;
  }

  save() {
    const text = this.conversation.pages.map((page) => page.text).join("\n\n");
    download(`${fileName(this.conversation.title)}.txt`, new Blob([text], { type: "text/plain" }));
  }
}
