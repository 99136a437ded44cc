/** What an empty conversation shows: what the page is for, and examples that ask at once. */

import { h } from "./dom.js";
import { VERBS } from "./verbs.js";

const FOLDER = "/web/examples";

/** Fill the start screen; `onchoose(example, file)` gets an example and its picture. */
export async function fillStart(element, onchoose) {
  const response = await fetch(`${FOLDER}/examples.json`);
  const examples = response.ok ? await response.json() : [];
  element.append(
    h(
      "ul",
      { class: "examples" },
      examples.map((example) => h("li", {}, card(example, onchoose))),
    ),
  );
}

function card(example, onchoose) {
  const address = `${FOLDER}/${example.picture}`;
  const choose = async () => {
    const blob = await (await fetch(address)).blob();
    onchoose(example, new File([blob], example.picture, { type: blob.type }));
  };
  const picture = h("span", { class: "example-picture" }, h("img", { src: address, alt: "" }));
  const verb = h("span", { class: "example-verb" }, VERBS[example.verb].label);
  return h(
    "button",
    { type: "button", class: "example", onclick: choose },
    picture,
    h("span", { class: "example-text" }, verb, example.title),
  );
}
