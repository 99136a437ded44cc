/** An answer in the thread: text with chips, pictures with boxes, statistics, failures and what to do about them. */

import { announce, announceAnswer } from "./announce.js";
import { downloadJson, downloadPng } from "./annotate.js";
import { chip, Figure, tie } from "./boxes.js";
import { isRunning } from "./chat.js";
import { pathTo, picturesIn } from "./conversation.js";
import { copyFrom } from "./copy.js";
import { h, iconButton } from "./dom.js";
import { coloured, fillPlaces, plainText, readPhrases } from "./grounding.js";
import { Prose } from "./markdown.js";
import { failure, notice, waiting } from "./notices.js";
import { pictureOf } from "./pictures.js";
import { statsStrip } from "./stats.js";
import { versionSwitch } from "./versions.js";

const REST = 3; // times the last drawing took, before the next: the page stays quick however long the text

export class AnswerTurn {
  /** `page` is what the page can do, see app.js. */
  constructor(conversation, turn, page) {
    Object.assign(this, {
      conversation,
      turn,
      page,
      figures: new Map(),
      phrases: [],
      wasRunning: false,
      pending: 0,
      cost: 0,
    });
    this.pictures = picturesIn(pathTo(conversation, turn.parent)).map(pictureOf);
    this.figureRoom = h("div", { class: "figures", hidden: true });
    this.text = h("div", { class: "prose", dir: "auto" });
    this.foot = h("div", { class: "foot" });
    const body = h("div", { class: "answer-body" }, this.text, this.foot);
    const props = { class: "turn answer", "aria-label": "Answer", dataset: { turn: turn.id } };
    this.element = h("article", props, this.figureRoom, body);
    const decorate = (block) => fillPlaces(block, this.phrases, chip);
    this.prose = new Prose(this.text, { decorate, stateOf: () => this.phraseState });
    tie(this.element);
    this.draw();
  }

  /** Draw soon: as often as there is time for. */
  update() {
    if (this.pending) return;
    const wait = () => requestAnimationFrame(() => this.draw());
    this.pending = this.cost > 16 ? setTimeout(wait, REST * this.cost) : wait();
  }

  draw() {
    const started = performance.now();
    this.pending = 0;
    const { turn } = this;
    const running = isRunning(turn);
    this.element.classList.toggle("running", running);
    this.element.setAttribute("aria-busy", running);
    if (turn.points?.length) this.drawPoints();
    else this.drawText();
    this.drawFigures();
    this.drawFoot(running);
    this.speak(running);
    this.cost = performance.now() - started;
  }

  drawText() {
    const { text, phrases } = readPhrases(this.turn);
    this.phrases = phrases;
    this.phraseState = phrases
      .map(({ colour, complete, boxes, ref }) => `${colour}${complete}${boxes?.length}${ref}`)
      .join();
    this.prose.show(text);
    this.text.hidden = text === "";
  }

  /** Points come whole: chips, each with where it points. */
  drawPoints() {
    if (this.phrases.length) return;
    const points = this.turn.points.map(({ label, unit, image }) => ({
      ref: label,
      points: [unit],
      image,
      complete: true,
    }));
    this.phrases = coloured(points);
    const rows = this.phrases.map((phrase) => {
      const { width, height } = this.pictures[phrase.image] ?? { width: 1, height: 1 };
      const [x, y] = phrase.points[0];
      return h(
        "li",
        {},
        chip(phrase),
        h("span", { class: "where" }, `${Math.round(x * width)}, ${Math.round(y * height)}`),
      );
    });
    this.text.replaceChildren(h("ul", { class: "points" }, rows));
    this.text.hidden = false;
  }

  drawFigures() {
    const images = new Set(
      this.phrases.filter((phrase) => phrase.boxes?.length || phrase.points?.length).map((phrase) => phrase.image),
    );
    for (const image of [...images].sort((first, second) => first - second)) {
      if (!this.pictures[image]) continue;
      if (!this.figures.has(image)) this.addFigure(image);
      this.figures.get(image).show(this.phrasesOn(image));
    }
    this.figureRoom.hidden = this.figures.size === 0;
    this.element.classList.toggle("grounded", this.figures.size > 0);
  }

  phrasesOn = (image) => this.phrases.filter((phrase) => phrase.image === image);

  addFigure(image) {
    const picture = this.pictures[image];
    const open = () => {
      const views = [...this.figures.keys()].map((at) => ({
        picture: this.pictures[at],
        phrases: this.phrasesOn(at),
        text: this.turn.text,
      }));
      this.page.enlarge(views, [...this.figures.keys()].indexOf(image));
    };
    const figure = new Figure(picture, { onopen: open });
    this.figures.set(image, figure);
    const tools = h(
      "div",
      { class: "figure-tools" },
      iconButton("zoom", `Enlarge ${picture.name}`, open),
      iconButton("download", "Save the picture with its boxes (PNG)", () =>
        downloadPng(picture, this.phrasesOn(image)),
      ),
      iconButton("data", "Save the boxes (JSON)", () => downloadJson(picture, this.phrasesOn(image), this.turn.text)),
    );
    this.figureRoom.append(h("figure", {}, figure.element, tools));
  }

  drawFoot(running) {
    const { turn } = this;
    const isWaiting = running && !turn.text;
    const stats = statsStrip(turn);
    if (running) return this.foot.replaceChildren(...(isWaiting ? [waiting("Looking")] : stats ? [stats] : []));
    if (!this.wasRunning && this.foot.childElementCount) return;
    this.foot.replaceChildren(
      ...[this.notice(), h("div", { class: "turn-tools" }, this.tools()), stats].filter(Boolean),
    );
  }

  tools() {
    const { turn, page, conversation } = this;
    return [
      versionSwitch(conversation, turn, page),
      turn.text && iconButton("copy", "Copy the answer", (event) => copyFrom(event.currentTarget, plainText(turn))),
      turn.state !== "failed" && iconButton("retry", "Ask again", () => page.retry(turn)),
    ];
  }

  /** Return what went wrong, with a button; null when nothing did. */
  notice() {
    const { state, error, text, points, finish } = this.turn;
    if (state === "failed") return failure(error, () => this.page.retry(this.turn));
    if (state === "running") return notice("This answer broke off when the page was left.");
    if (state === "stopped") return notice("Stopped.");
    if (finish === "length") return notice("Cut at the longest answer that the settings allow.");
    return text.trim() || points?.length ? null : notice("The model had nothing to say.");
  }

  speak(running) {
    if (running || this.wasRunning) announceAnswer(this.turn, plainText(this.turn), !running);
    if (this.wasRunning && this.turn.state === "done") announce("The answer is complete.");
    if (this.wasRunning && this.turn.state === "stopped") announce("Stopped.");
    this.wasRunning = running;
  }
}
