/** A picture as large as the window, with its boxes; it zooms, moves, and can be saved, read or drawn on. */

import { downloadJson, downloadPng } from "./annotate.js";
import { Figure, tie } from "./boxes.js";
import { openDialog } from "./dialogs.js";
import { h, iconButton } from "./dom.js";

const STEP = 1.4;
const MOST = 12;

/** Open views ({ picture, phrases, text }) at one of them. `actions` are [icon, label, function of a picture]. */
export function openZoom(views, at, actions = []) {
  let now = at;
  let scale = 1;
  const stage = h("div", { class: "zoom-stage", tabIndex: 0, role: "region", "aria-label": "Picture" });
  const place = h("span", { class: "place", "aria-live": "polite" });
  const step = (by) => show((now + by + views.length) % views.length);
  const turns =
    views.length > 1
      ? [
          iconButton("previous", "Previous picture", () => step(-1)),
          place,
          iconButton("next", "Next picture", () => step(1)),
        ]
      : [];
  const out = iconButton("zoom_out", "Smaller", () => zoom(scale / STEP));
  const fit = iconButton("fit", "Fit the window", () => zoom(1));
  const into = iconButton("zoom", "Larger", () => zoom(scale * STEP));
  const tools = h("div", { class: "zoom-tools" });
  const bar = h(
    "div",
    { class: "zoom-bar" },
    h("div", { class: "group" }, turns),
    h("div", { class: "group" }, out, fit, into),
    tools,
  );
  let figure = null;

  function show(index) {
    now = index;
    const { picture, phrases = [], text = "" } = views[now];
    figure = new Figure(picture);
    figure.show(phrases);
    stage.replaceChildren(figure.element);
    place.textContent = `${now + 1} / ${views.length}`;
    const saves = phrases.length
      ? [
          iconButton("download", "Save the picture with its boxes (PNG)", () => downloadPng(picture, phrases)),
          iconButton("data", "Save the boxes (JSON)", () => downloadJson(picture, phrases, text)),
        ]
      : [];
    const others = actions.map(([name, label, act]) => {
      const close = () => (dialog.close(), act(picture));
      return iconButton(name, label, close);
    });
    tools.replaceChildren(...others, ...saves);
    zoom(1);
  }

  /** Keep the middle of what is seen, or the point under the pointer, where it is. */
  function zoom(to, focus = [stage.clientWidth / 2, stage.clientHeight / 2]) {
    const next = Math.max(1, Math.min(MOST, to));
    const before = [stage.scrollLeft + focus[0], stage.scrollTop + focus[1]];
    const ratio = next / scale;
    scale = next;
    figure.element.style.setProperty("--zoom", scale);
    stage.classList.toggle("is-zoomed", scale > 1);
    stage.scrollTo(before[0] * ratio - focus[0], before[1] * ratio - focus[1]);
    out.disabled = fit.disabled = scale === 1;
    into.disabled = scale === MOST;
  }

  const keys = {
    "+": () => zoom(scale * STEP),
    "=": () => zoom(scale * STEP),
    "-": () => zoom(scale / STEP),
    0: () => zoom(1),
  };
  stage.addEventListener("keydown", (event) => {
    const isTurn = scale === 1 && views.length > 1 && ["ArrowLeft", "ArrowRight"].includes(event.key);
    if (isTurn) step(event.key === "ArrowLeft" ? -1 : 1);
    keys[event.key]?.();
  });
  stage.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const { left, top } = stage.getBoundingClientRect();
      zoom(scale * Math.exp(-event.deltaY / 400), [event.clientX - left, event.clientY - top]);
    },
    { passive: false },
  );
  movable(stage);
  tie(stage);
  const dialog = openDialog({ title: views[at].picture.name, name: "zoom", content: [stage, bar] });
  show(at);
  stage.focus();
}

/** Let a mouse drag what scrolls; fingers scroll by themselves. */
function movable(stage) {
  let from = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.target.closest(".mark")) return;
    from = [event.clientX + stage.scrollLeft, event.clientY + stage.scrollTop];
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener(
    "pointermove",
    (event) => from && stage.scrollTo(from[0] - event.clientX, from[1] - event.clientY),
  );
  for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, () => (from = null));
}
