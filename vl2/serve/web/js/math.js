/** Formulas as MathML, which browsers draw themselves, without inline styles. Fetched when the first appears. */

const MOST_EXPANSIONS = 200; // of macros in one formula
let engine = null;
let loading = null;
let isWanted = false; // a formula was met

/** Fetch what turns TeX into MathML, once a formula was met. Returns a promise while it is not there, else null. */
export function prepareMath() {
  if (engine || !isWanted) return null;
  loading ??= import("../vendor/katex/katex.js").then(() => {
    engine = globalThis.katex;
  });
  return loading;
}

const BLOCKS = [/^\$\$([^$]+)\$\$(?:\n+|$)/, /^\\\[([\s\S]+?)\\\](?:\n+|$)/];
// a dollar before a price opens no formula: it closes without a space before it and no digit after it
const INLINES = [/^\$\$([^$]+)\$\$/, /^\$(?![\s$])((?:\\.|[^\\$\n])*?[^\s\\$])\$(?!\d)/, /^\\\(([^\n]+?)\\\)/];

/** Rules for the markdown reader. */
export const mathRules = {
  extensions: [
    { name: "mathBlock", level: "block", ...rule("mathBlock", BLOCKS, /\$\$|\\\[/, true) },
    { name: "math", level: "inline", ...rule("math", INLINES, /\$|\\\(/, false) },
  ],
};

function rule(type, patterns, opening, display) {
  return {
    start: (source) => {
      const at = source.search(opening);
      return at < 0 ? undefined : at;
    },
    tokenizer: (source) => {
      const found = patterns.map((pattern) => pattern.exec(source)).find(Boolean);
      return found && { type, raw: found[0], tex: found[1] };
    },
    renderer: ({ tex }) => render(tex.trim(), display),
  };
}

function render(tex, displayMode) {
  isWanted = true;
  if (!engine) return asCode(tex);
  const settings = { displayMode, output: "mathml", trust: false, strict: "ignore", maxExpand: MOST_EXPANSIONS };
  try {
    return engine.renderToString(tex, settings);
  } catch {
    return asCode(tex); // no formula after all, or one that is still being written
  }
}

const asCode = (tex) => `<code>${tex.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`)}</code>`;
