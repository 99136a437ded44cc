/** What screen readers say while an answer comes: whole sentences, politely, then that it ended. */

import { find, h } from "./dom.js";

const MOST_LINES = 20; // kept in the live region
const said = new WeakMap(); // answer -> how many characters of it were said

/** Say one line. */
export function announce(text) {
  const region = find("#announcer");
  region.append(h("p", {}, text));
  while (region.children.length > MOST_LINES) region.firstChild.remove();
}

/** Say the sentences of an answer that are new; at its end also the rest. */
export function announceAnswer(turn, text, hasEnded) {
  const from = said.get(turn) ?? 0;
  const fresh = text.slice(from);
  const end = hasEnded
    ? fresh.length
    : 1 + Math.max(...[". ", "! ", "? ", ".\n", "\n", "。"].map((mark) => fresh.lastIndexOf(mark)));
  if (end > 0 && fresh.slice(0, end).trim()) announce(fresh.slice(0, end).trim());
  said.set(turn, from + end);
}
