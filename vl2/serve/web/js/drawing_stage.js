/** The surface that is drawn on, by pointer or by keyboard: arrow keys move a cross, Enter begins and ends a shape. */

import { announce } from "./announce.js";
import { h } from "./dom.js";
import { isMeant, KINDS, lineWidth, paint } from "./shapes.js";

const STEP = 1 / 40; // of the longer side, for an arrow key
const FINE_STEP = 1 / 200; // with shift
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class DrawingStage {
  /** `image` is the decoded picture, `pen()` returns { kind, colour, width }, `onchange` hears of every finished shape. */
  constructor(image, shapes, { pen, onchange }) {
    Object.assign(this, { image, pen, onchange, shapes: [...shapes], undone: [], begun: null });
    this.size = { width: image.naturalWidth, height: image.naturalHeight };
    const help = "Arrow keys move the cross, with shift in small steps. Enter begins a shape and ends it.";
    this.canvas = h("canvas", {
      ...this.size,
      tabIndex: 0,
      role: "application",
      "aria-label": "Picture to draw on",
      "aria-description": help,
    });
    this.cross = h("div", { class: "cross", "aria-hidden": "true", hidden: true });
    this.element = h(
      "div",
      { class: "drawing-stage", style: { "--shape": this.size.width / this.size.height } },
      this.canvas,
      this.cross,
    );
    this.at = [this.size.width / 2, this.size.height / 2];
    this.listen();
    this.draw();
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      canvas.focus();
      canvas.setPointerCapture(event.pointerId);
      this.cross.hidden = true;
      this.begin(this.pointOf(event));
    });
    canvas.addEventListener("pointermove", (event) => this.begun && event.buttons && this.extend(this.pointOf(event)));
    canvas.addEventListener("pointerup", () => this.end());
    canvas.addEventListener("pointercancel", () => this.cancel());
    canvas.addEventListener("keydown", (event) => this.press(event));
    canvas.addEventListener("blur", () => (this.cross.hidden = true));
  }

  press(event) {
    const move = MOVES[event.key];
    if (move) {
      const step = Math.max(this.size.width, this.size.height) * (event.shiftKey ? FINE_STEP : STEP);
      this.at = this.within([this.at[0] + move[0] * step, this.at[1] + move[1] * step]);
      this.showCross();
      if (this.begun) this.extend(this.at);
    } else if (event.key === "Enter" || event.key === " ") {
      this.showCross();
      if (this.begun) this.end();
      else this.begin(this.at);
    } else if (event.key === "Escape" && this.begun) {
      this.cancel();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  begin(point) {
    const { kind, colour, width } = this.pen();
    this.begun = { kind, colour, line: lineWidth(width, this.size), points: [point] };
    announce(`${KINDS[kind].label} begun`);
  }

  extend(point) {
    const { kind, points } = this.begun;
    if (kind === "scribble") points.push(point);
    else points[1] = point;
    this.draw();
  }

  end() {
    const shape = this.begun;
    this.begun = null;
    if (shape && isMeant(shape, this.size)) {
      this.shapes.push(shape);
      this.undone = [];
      announce(`${shape.colour} ${KINDS[shape.kind].label} drawn`);
    }
    this.changed();
  }

  cancel() {
    this.begun = null;
    this.draw();
  }

  undo() {
    if (this.shapes.length) this.undone.push(this.shapes.pop());
    this.changed();
  }

  redo() {
    if (this.undone.length) this.shapes.push(this.undone.pop());
    this.changed();
  }

  clear() {
    this.undone = [...this.shapes].reverse();
    this.shapes = [];
    this.changed();
  }

  changed() {
    this.draw();
    this.onchange();
  }

  draw() {
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, this.size.width, this.size.height);
    pen.drawImage(this.image, 0, 0);
    for (const shape of [...this.shapes, ...(this.begun ? [this.begun] : [])]) paint(pen, shape);
  }

  showCross() {
    this.cross.hidden = false;
    this.cross.style.left = `${(100 * this.at[0]) / this.size.width}%`;
    this.cross.style.top = `${(100 * this.at[1]) / this.size.height}%`;
  }

  pointOf(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return this.within([
      ((event.clientX - left) * this.size.width) / width,
      ((event.clientY - top) * this.size.height) / height,
    ]);
  }

  within([x, y]) {
    return [Math.max(0, Math.min(this.size.width, x)), Math.max(0, Math.min(this.size.height, y))];
  }
}
