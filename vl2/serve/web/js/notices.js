/** What stands in the place of an answer: that it is awaited, that it failed, that there is none. */

import { h, textButton } from "./dom.js";
import { icon } from "./icons.js";

export const notice = (text) => h("p", { class: "notice" }, text);

export function waiting(text) {
  return h(
    "p",
    { class: "waiting" },
    h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")),
    text,
  );
}

/** Return what went wrong, with a button that waits as long as the server asked for. */
export function failure({ message, retryAfter }, retry) {
  const button = textButton("retry", "Try again", retry);
  if (retryAfter) countDown(button, retryAfter);
  return h("div", { class: "notice error", role: "alert" }, icon("warning"), h("p", {}, message), button);
}

function countDown(button, seconds) {
  let left = Math.ceil(seconds);
  const text = button.lastChild;
  const tick = () => {
    button.disabled = left > 0;
    text.textContent = left > 0 ? `Try again in ${left} s` : "Try again";
    if (left-- > 0) setTimeout(tick, 1000);
  };
  tick();
}
