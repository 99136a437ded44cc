/** Code in colours. The highlighter is fetched when the first code appears. */

const VENDOR = "../vendor/highlight";
const LANGUAGES = "bash c cpp css diff go java javascript json markdown python rust sql typescript xml yaml".split(" ");
const LONGEST_CODE = 20_000; // characters; longer code stays plain
let engine = null;
let loading = null;

/** Fetch the highlighter. Returns a promise while it is not there, else null. */
export function prepareHighlighting() {
  if (engine) return null;
  loading ??= load();
  return loading;
}

/** Colour a <code> whose class names a language that is known. */
export function highlight(code) {
  const language = /language-([\w+#-]+)/.exec(code.className)?.[1];
  if (!engine || !engine.getLanguage(language ?? "") || code.textContent.length > LONGEST_CODE) return;
  engine.highlightElement(code);
}

async function load() {
  const [{ default: core }, ...grammars] = await Promise.all([
    import(`${VENDOR}/core.js`),
    ...LANGUAGES.map((language) => import(`${VENDOR}/languages/${language}.js`)),
  ]);
  LANGUAGES.forEach((language, at) => core.registerLanguage(language, grammars[at].default));
  engine = core;
}
