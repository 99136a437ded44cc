/** Build elements. Texts become text nodes, never HTML. */

import { icon } from "./icons.js";

const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "htmlFor", "textContent", "src", "tabIndex"]);

/** Return an element: h("button", { class: "x", onclick: f, style: { "--c": "red" } }, "text", child). */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) give(element, name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function give(element, name, value) {
  if (value === undefined || value === null) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "style") for (const [key, to] of Object.entries(value)) element.style.setProperty(key, to);
  else if (name === "dataset") Object.assign(element.dataset, value);
  else if (PROPERTIES.has(name)) element[name] = value;
  else if (value !== false) element.setAttribute(name, value === true ? "" : value);
}

/** Return a button that shows only an icon; its label is read aloud and shown as a hint. */
export function iconButton(name, label, onclick, props = {}) {
  const { class: extra = "", ...rest } = props;
  return h(
    "button",
    { type: "button", class: `icon-button ${extra}`, "aria-label": label, title: label, onclick, ...rest },
    icon(name),
  );
}

/** Return a button with a text and, if named, an icon before it. */
export function textButton(name, label, onclick, props = {}) {
  const { class: extra = "", ...rest } = props;
  return h("button", { type: "button", class: `button ${extra}`, onclick, ...rest }, name && icon(name), label);
}

/** Give an icon button another icon and label. */
export function relabel(button, name, label) {
  button.replaceChildren(icon(name));
  button.setAttribute("aria-label", label);
  button.title = label;
}

export const find = (selector, within = document) => within.querySelector(selector);
