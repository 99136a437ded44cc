/** The strip below an answer: how fast it came and what it took. */

import { h } from "./dom.js";
import { duration, number } from "./format.js";

/** Return the strip of an answer; null when nothing was measured. */
export function statsStrip(turn) {
  const figures = figuresOf(turn).filter(([value]) => value !== null);
  if (!figures.length) return null;
  const items = figures.map(([value, unit, hint]) => h("div", { title: hint }, h("dd", {}, value), h("dt", {}, unit)));
  return h("dl", { class: "stats", "aria-label": "Statistics of this answer" }, items);
}

/** Return rows of value (null when unknown), unit and explanation. */
function figuresOf({ timing = {}, usage = {} }) {
  const details = usage.prompt_tokens_details ?? {};
  const count = (value) => (Number.isFinite(value) ? number(value) : null);
  return [
    [speed(timing, usage), "tokens/s", "Tokens of the answer a second, from the first one on"],
    [
      timing.first === undefined ? null : duration(timing.first),
      "to first token",
      "From sending the question to the first token",
    ],
    [
      timing.whole === undefined ? null : duration(timing.whole),
      "in all",
      "From sending the question to the whole answer",
    ],
    [count(usage.completion_tokens ?? timing.pieces), "answer", "Tokens of the answer"],
    [count(usage.prompt_tokens), "prompt", "Tokens of the prompt, pictures included"],
    [count(details.image_tokens), "image", "Tokens of the prompt that are pictures"],
    [count(details.cached_tokens), "cached", "Tokens of the prompt that were remembered from before"],
  ];
}

function speed({ first, last, pieces }, usage) {
  const tokens = usage.completion_tokens ?? pieces;
  return tokens > 1 && last > first ? number((1000 * (tokens - 1)) / (last - first)) : null;
}
