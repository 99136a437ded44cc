/** The switch between a turn and what replaced it. */

import { versions } from "./conversation.js";
import { h, iconButton } from "./dom.js";

/** Return "‹ 1 / 2 ›"; null for a turn with one version. */
export function versionSwitch(conversation, turn, page) {
  const all = versions(conversation, turn);
  if (all.length < 2) return null;
  const at = all.indexOf(turn);
  const step = (by) => page.showVersion(all[at + by]);
  return h(
    "div",
    { class: "versions", role: "group", "aria-label": "Versions" },
    iconButton("previous", "Earlier version", () => step(-1), { disabled: at === 0 }),
    h("span", {}, `${at + 1} / ${all.length}`),
    iconButton("next", "Later version", () => step(1), { disabled: at === all.length - 1 }),
  );
}
