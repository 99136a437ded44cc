/** How the model cuts a picture into tiles, drawn over it while a thumbnail is under the pointer or has the focus. */

import { post } from "./api.js";
import { find, h } from "./dom.js";
import { counted } from "./format.js";
import { addressOf } from "./pictures.js";

const LARGEST = 220; // pixels of the drawn canvas
const GAP = 10;
const answers = new Map(); // sizes of all pictures -> promise of their grids

/** Show the card of a thumbnail on hover and focus. `among` returns all pictures of the conversation: grids depend on them. */
export function showTilesOn(element, picture, among) {
  const show = () => open(element, picture, among());
  element.addEventListener("pointerenter", show);
  element.addEventListener("focusin", show);
  element.addEventListener("pointerleave", close);
  element.addEventListener("focusout", close);
  element.addEventListener("click", close);
  element.addEventListener("keydown", (event) => event.key === "Escape" && close());
}

function card() {
  return (
    find("#tile-card") ??
    document.body.appendChild(h("div", { id: "tile-card", class: "tile-card", role: "tooltip", hidden: true }))
  );
}

async function open(element, picture, pictures) {
  const shown = card();
  shown.dataset.picture = picture.id;
  const grids = await gridsOf(pictures);
  const at = pictures.findIndex((other) => other.id === picture.id);
  if (shown.dataset.picture !== picture.id || !element.isConnected) return;
  shown.replaceChildren(...drawing(picture, grids?.[at]));
  shown.hidden = false;
  element.setAttribute("aria-describedby", shown.id);
  place(shown, element.getBoundingClientRect());
}

/** Hide the card, as when what it explains is gone. */
export function close() {
  card().hidden = true;
  card().dataset.picture = "";
}

/** Ask for the grids once for each set of sizes; null when the server cannot say. */
function gridsOf(pictures) {
  const images = pictures.map(({ width, height }) => ({ width, height }));
  const key = JSON.stringify(images);
  if (!answers.has(key)) {
    const asked = post("/v1/tiles", { images }).then((answer) => answer.images);
    answers.set(
      key,
      asked.catch(() => void answers.delete(key) ?? null),
    );
  }
  return answers.get(key);
}

/** Draw the canvas that the tiles cut, the picture centred in it, and say what it costs. */
function drawing(picture, grid) {
  const { rows = 1, cols = 1 } = grid ?? {};
  const side = LARGEST / Math.max(rows, cols);
  const style = { width: `${side * cols}px`, height: `${side * rows}px` };
  const lines = [
    ...Array.from({ length: cols - 1 }, (_, at) =>
      h("i", { class: "column", style: { left: `${(100 * (at + 1)) / cols}%` } }),
    ),
    ...Array.from({ length: rows - 1 }, (_, at) =>
      h("i", { class: "row", style: { top: `${(100 * (at + 1)) / rows}%` } }),
    ),
  ];
  const canvas = h(
    "div",
    { class: "tile-canvas", style },
    h("img", { src: addressOf(picture), alt: "" }),
    grid && lines,
  );
  const size = h("p", { class: "size" }, `${picture.width} × ${picture.height} pixels`);
  if (!grid) return [canvas, size];
  const tiles = `${cols} × ${rows} ${rows * cols === 1 ? "tile" : "tiles"} and a thumbnail`;
  return [canvas, h("p", {}, h("strong", {}, counted(grid.image_tokens, "token"))), h("p", {}, tiles), size];
}

/** Above what it explains, or below where there is no room. */
function place(element, anchor) {
  const { offsetWidth: width, offsetHeight: height } = element;
  const left = Math.max(GAP, Math.min(anchor.left + anchor.width / 2 - width / 2, innerWidth - width - GAP));
  const top =
    anchor.top - height - GAP > 0
      ? anchor.top - height - GAP
      : Math.min(anchor.bottom + GAP, innerHeight - height - GAP);
  element.style.left = `${left}px`;
  element.style.top = `${Math.max(GAP, top)}px`;
}
