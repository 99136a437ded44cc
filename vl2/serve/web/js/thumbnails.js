/** Thumbnails: small pictures that open large, show their tiles and can be drawn on or removed. */

import { h, iconButton } from "./dom.js";
import { addressOf } from "./pictures.js";
import { showTilesOn } from "./tiles.js";

/** Return a thumbnail. `among` returns all pictures of the conversation; without `ondraw`, `onremove` no such buttons. */
export function thumbnail(picture, { among, onopen, ondraw, onremove }) {
  const image = h("img", { src: addressOf(picture), alt: picture.name, draggable: "false" });
  const button = h(
    "button",
    { type: "button", class: "open", "aria-label": `Enlarge ${picture.name}`, onclick: onopen },
    image,
  );
  showTilesOn(button, picture, among);
  return h(
    "div",
    { class: "thumbnail", style: { "--shape": picture.width / picture.height }, dataset: { picture: picture.id } },
    button,
    ondraw && iconButton("draw", `Draw on ${picture.name}`, ondraw, { class: "on-picture draw" }),
    onremove && iconButton("close", `Remove ${picture.name}`, onremove, { class: "on-picture remove" }),
  );
}
