/** Copy and download. */

import { h, relabel } from "./dom.js";

const SHOWN_MS = 1500;

/** Copy a text; where the browser gives no clipboard (plain http), the old way. */
export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = h("textarea", { value: text, class: "off-screen" });
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

/** Copy a text and say so on the button. */
export async function copyFrom(button, text) {
  const label = button.getAttribute("aria-label");
  await copy(text);
  relabel(button, "done", "Copied");
  setTimeout(() => relabel(button, "copy", label), SHOWN_MS);
}

/** Save a Blob as a file. */
export function download(name, blob) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), SHOWN_MS);
}

export const asJson = (value) => new Blob([`${JSON.stringify(value, null, 2)}\n`], { type: "application/json" });
