/** Markdown to elements. What a model writes is sanitised always; HTML in it is shown as the text it is. */

import DOMPurify from "../vendor/dompurify/purify.js";
import { Marked } from "../vendor/marked/marked.js";
import { copyFrom } from "./copy.js";
import { h, iconButton } from "./dom.js";
import { highlight, prepareHighlighting } from "./highlight.js";
import { mathRules, prepareMath } from "./math.js";

const LONGEST_MARKDOWN = 60_000; // characters; a longer answer is shown as it was written

const HTML = "p br hr h1 h2 h3 h4 h5 h6 strong em del code pre blockquote ul ol li a table thead tbody tr th td span";
const MATHML =
  "math mi mn mo ms mtext mspace mrow mfrac msqrt mroot mstyle merror mpadded mphantom msub msup msubsup munder mover" +
  " munderover mmultiscripts mprescripts mtable mtr mtd menclose";
const ALLOWED = {
  ALLOWED_TAGS: `#text ${HTML} ${MATHML}`.split(" "),
  ALLOWED_ATTR: (
    "href start align class display fence form stretchy separator lspace rspace width height depth minsize maxsize" +
    " scriptlevel displaystyle mathvariant mathcolor columnalign rowspacing columnspacing columnlines rowlines frame" +
    " accent accentunder linethickness notation symmetric movablelimits voffset"
  ).split(" "),
  ALLOWED_URI_REGEXP: /^(?:(?:https?|mailto):|[^a-z]|[a-z+.-]+(?:[^a-z+.\-:]|$))/i, // it sees all values, not links alone
  ALLOW_DATA_ATTR: false,
  FORBID_CONTENTS: ["annotation", "script", "style", "template", "noscript"],
  RETURN_DOM_FRAGMENT: true,
};

const escaped = (text) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const marked = new Marked({ gfm: true, breaks: true }, mathRules, {
  renderer: {
    html: ({ text }) => escaped(text),
    image: ({ text }) => escaped(text), // nothing is loaded from elsewhere
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});

/** A growing text below an element: only the blocks that changed are made again. */
export class Prose {
  /** `decorate(block)` is called on each new block; `stateOf(source)` names what else a block depends on. */
  constructor(element, { decorate = () => {}, stateOf = () => "" } = {}) {
    Object.assign(this, { element, decorate, stateOf, shown: [], waits: new Set() });
  }

  /** Show a text. */
  show(text) {
    this.text = text;
    const sources = text.length > LONGEST_MARKDOWN ? [{ raw: text, plain: true }] : this.blocks(text);
    sources.forEach((source, at) => {
      const name = this.stateOf(source.raw) + source.raw;
      if (this.shown[at] === name) return;
      this.shown[at] = name;
      this.place(at, source.plain ? plainBlock(source.raw) : this.block(source));
    });
    this.shown.length = sources.length;
    while (this.element.children.length > sources.length) this.element.lastChild.remove();
  }

  /** Put a block where another may stand, with the focus that was in it. */
  place(at, block) {
    this.decorate(block);
    const old = this.element.children[at];
    if (!old) return this.element.append(block);
    const focused = old.contains(document.activeElement) ? document.activeElement.dataset.phrase : null;
    old.replaceWith(block);
    if (focused) block.querySelector(`[data-phrase="${focused}"]`)?.focus();
  }

  blocks(text) {
    const tokens = marked.lexer(text);
    this.links = tokens.links;
    return tokens.filter((token) => token.type !== "space" && token.type !== "def");
  }

  block(token) {
    const html = marked.parser(Object.assign([token], { links: this.links }));
    const block = document.createElement("div");
    block.append(DOMPurify.sanitize(html, ALLOWED));
    for (const link of block.querySelectorAll("a")) openElsewhere(link);
    for (const table of block.querySelectorAll("table")) scrollable(table);
    const codes = [...block.querySelectorAll("pre > code")];
    for (const code of codes) {
      highlight(code);
      frame(code);
    }
    this.waitFor(codes.length > 0 && prepareHighlighting());
    this.waitFor(prepareMath());
    return block;
  }

  /** Show everything again when something has been fetched. */
  waitFor(fetched) {
    if (!fetched || this.waits.has(fetched)) return;
    this.waits.add(fetched);
    fetched.then(() => {
      this.shown = [];
      this.show(this.text);
    });
  }
}

function openElsewhere(link) {
  if (!/^(?:https?|mailto):/i.test(link.getAttribute("href") ?? "")) return link.removeAttribute("href");
  Object.assign(link, { target: "_blank", rel: "noopener noreferrer" });
}

/** Let a wide table scroll by itself, by keyboard too. */
function scrollable(table) {
  const framed = h("div", { class: "wide", tabIndex: 0, role: "region", "aria-label": "Table" });
  table.replaceWith(framed);
  framed.append(table);
}

/** Put a bar above code: its language, and a button that copies it. */
function frame(code) {
  const pre = code.parentElement;
  pre.tabIndex = 0; // it may scroll
  const language = /language-([\w+#-]+)/.exec(code.className)?.[1] ?? "";
  const copyButton = iconButton("copy", "Copy the code", (event) => copyFrom(event.currentTarget, code.textContent));
  const framed = h("div", { class: "code" }, h("div", { class: "code-bar" }, h("span", {}, language), copyButton));
  pre.replaceWith(framed);
  framed.append(pre);
}

function plainBlock(text) {
  return h("div", { class: "plain", textContent: text });
}
