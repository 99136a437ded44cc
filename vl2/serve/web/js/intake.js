/** The ways a picture comes in: dropped on the page, pasted, picked, or taken with the camera. */

import { find, h } from "./dom.js";

/** Call `onfiles` with the images that are dropped or pasted anywhere on the page. */
export function listenForFiles(onfiles) {
  const veil = find("#drop-veil");
  let depth = 0; // dragenter and dragleave come for every element on the way
  const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const isBlocked = () => find("dialog[open]") !== null;
  const move = (by) => (event) => {
    if (!carriesFiles(event) || isBlocked()) return;
    event.preventDefault();
    depth = Math.max(0, depth + by);
    veil.hidden = depth === 0;
  };
  addEventListener("dragenter", move(1));
  addEventListener("dragover", move(0));
  addEventListener("dragleave", move(-1));
  addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    veil.hidden = true;
    if (!isBlocked()) onfiles(images(event.dataTransfer.files));
  });
  addEventListener("paste", (event) => {
    const files = images(event.clipboardData?.files ?? []);
    const isText = event.clipboardData?.types.includes("text/plain"); // text that was copied with a picture of itself
    if (!files.length || isText || isBlocked()) return;
    event.preventDefault();
    onfiles(files);
  });
}

/** Return a hidden file input; clicking it opens the picker, or the camera. */
export function fileInput(label, onfiles, { camera = false } = {}) {
  const props = { type: "file", accept: "image/*", class: "off-screen", tabIndex: -1, "aria-label": label };
  const input = h("input", { ...props, ...(camera ? { capture: "environment" } : { multiple: true }) });
  input.addEventListener("change", () => {
    onfiles([...input.files]);
    input.value = ""; // the same file may be picked again
  });
  return input;
}

const images = (files) => [...files].filter((file) => file.type.startsWith("image/") || file.type === "");
