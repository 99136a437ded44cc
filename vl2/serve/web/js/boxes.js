/** A picture with what an answer found in it, and the tie between a phrase in the text and its boxes. */

import { h } from "./dom.js";
import { addressOf } from "./pictures.js";

/** A picture with boxes and points over it; `finds` come and grow while an answer streams. */
export class Figure {
  /** `onopen` is called when the picture is clicked. */
  constructor(picture, { onopen } = {}) {
    this.picture = picture;
    this.marks = new Map(); // key -> element
    this.image = h("img", { src: addressOf(picture), alt: `Picture: ${picture.name}`, draggable: "false" });
    this.overlay = h("div", { class: "overlay" });
    const seen = onopen
      ? h(
          "button",
          { type: "button", class: "open", "aria-label": `Enlarge ${picture.name}`, onclick: onopen },
          this.image,
        )
      : this.image;
    this.element = h(
      "div",
      { class: "figure", style: { "--shape": picture.width / picture.height, "--natural": `${picture.width}px` } },
      seen,
      this.overlay,
    );
  }

  /** Show phrases ({ number, colour, ref or label, boxes, points }), all in 0..1 of the picture. */
  show(phrases) {
    const keys = new Set();
    for (const phrase of phrases) {
      (phrase.boxes ?? []).forEach((box, at) => keys.add(this.mark(phrase, box, at, phrase.boxes.length)));
      (phrase.points ?? []).forEach((point, at) => keys.add(this.mark(phrase, point, at, phrase.points.length)));
    }
    for (const [key, element] of this.marks) {
      if (keys.has(key)) continue;
      element.remove();
      this.marks.delete(key);
    }
  }

  mark(phrase, place, at, of) {
    const key = `${phrase.number}.${at}`;
    const element = this.marks.get(key) ?? this.newMark(key, phrase);
    const label = phrase.ref ?? phrase.label;
    const name = label.trim() || "unnamed";
    element.firstChild.textContent = name;
    element.setAttribute("aria-label", of > 1 ? `${name}, ${at + 1} of ${of}` : name);
    if (place.length === 2) setPoint(element, place);
    else setBox(element, place);
    return key;
  }

  newMark(key, phrase) {
    const label = h("span", { class: "label" });
    const style = { "--colour": phrase.colour };
    const element = h("button", { type: "button", class: "mark", dataset: { phrase: phrase.number }, style }, label);
    this.marks.set(key, element);
    this.overlay.append(element);
    return element;
  }
}

function setBox(element, [x1, y1, x2, y2]) {
  element.classList.add("box");
  const place = { left: x1, top: y1, width: x2 - x1, height: y2 - y1 };
  for (const [side, share] of Object.entries(place)) element.style.setProperty(side, `${100 * share}%`);
  element.style.zIndex = Math.round(1000 * (1 - (x2 - x1) * (y2 - y1))); // a small box within a large one stays in reach
  element.classList.toggle("at-top", y1 < 0.02);
  element.classList.toggle("at-right", x1 > 0.6);
}

function setPoint(element, [x, y]) {
  element.classList.add("point");
  element.style.left = `${100 * x}%`;
  element.style.top = `${100 * y}%`;
  element.classList.toggle("at-right", x > 0.7);
}

/** Return the chip that stands in the text for a phrase. */
export function chip(phrase) {
  const { number, colour, ref, boxes = [], complete, problems = [] } = phrase;
  const isSeen = boxes.length > 0 || (phrase.points ?? []).length > 0;
  const state = isSeen ? "" : complete ? " without-boxes" : " pending";
  const title = problems.length ? problems.join("; ") : null;
  const props = {
    type: "button",
    class: `chip${state}`,
    dataset: { phrase: number },
    style: { "--colour": colour },
    title,
  };
  return h(
    "button",
    props,
    ref.trim() || "unnamed",
    boxes.length > 1 && h("span", { class: "count" }, String(boxes.length)),
  );
}

/**
 * Tie chips and boxes below an element: what is under the pointer or has the focus lights up with its counterparts.
 * A click keeps the light until the next click.
 */
export function tie(element) {
  let kept = null;
  const phraseAt = (event) => event.target.closest?.("[data-phrase]")?.dataset.phrase ?? null;
  const lightUp = (phrase) => {
    element.classList.toggle("has-lit", phrase !== null);
    for (const item of element.querySelectorAll("[data-phrase]"))
      item.classList.toggle("lit", item.dataset.phrase === phrase);
  };
  element.addEventListener("pointerover", (event) => lightUp(phraseAt(event) ?? kept));
  element.addEventListener("pointerleave", () => lightUp(kept));
  element.addEventListener("focusin", (event) => lightUp(phraseAt(event) ?? kept));
  element.addEventListener("focusout", () => lightUp(kept));
  element.addEventListener("click", (event) => {
    const phrase = phraseAt(event);
    if (phrase === null) return;
    kept = kept === phrase ? null : phrase;
    for (const item of element.querySelectorAll("[data-phrase]"))
      item.setAttribute("aria-pressed", item.dataset.phrase === kept);
    lightUp(kept ?? phrase);
  });
}
