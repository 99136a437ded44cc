/** Grounded phrases: the marks in the raw text of an answer, and the chips that a reader sees in their place. */

const MARKS = ["<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<|grounding|>"];
const STRAY_MARKS = /<\|\/?ref\|>|<\|det\|>[[\]\d.,\s+-]*(?:<\|\/det\|>)?|<\|\/det\|>|<\|grounding\|>/g;
// a phrase that is still being written, as far as it goes
const UNFINISHED = /^(?:<\|ref\|>(?:(?!<\|)[\s\S])*(?:<\|\/ref\|>)?)?\s*(?:<\|det\|>[[\]\d.,\s+-]*)?(?:<\|\/det\|>)?/;

// private characters around the number of a phrase, where its chip will stand
const OPEN = "\uE000";
const CLOSE = "\uE001";
const PLACE = new RegExp(`${OPEN}(\\d+)${CLOSE}`, "g");
const PRIVATE = new RegExp(`[${OPEN}${CLOSE}]`, "g");

// as in vl2/processor/drawing.py: hues far apart, dark enough for white letters
const COLOURS = ["#d62728", "#1f77b4", "#2a8a2a", "#9467bd", "#c25e00", "#0b8a8f", "#c2338f", "#6b5b00"];

/** Return `{ text, phrases }`: the text with a place for each phrase, and the phrases in reading order. */
export function readPhrases(turn) {
  const phrases = coloured([...turn.grounding].sort((first, second) => first.span[0] - second.span[0]));
  const offset = offsets(turn.text);
  let text = "";
  let at = 0;
  for (const phrase of phrases) {
    const [start, stop] = phrase.span.map(offset);
    if (start < at) continue; // overlaps the one before: the server does not send that
    text += clean(turn.text.slice(at, start)) + OPEN + phrase.number + CLOSE;
    at = phrase.complete ? stop : start + UNFINISHED.exec(turn.text.slice(start))[0].length;
  }
  const rest = turn.text.slice(at);
  return { text: text + clean(turn.state === "done" ? rest : withoutBegunMark(rest)), phrases };
}

/** Return the text as a person reads it: labels without marks and boxes. */
export function plainText(turn) {
  const { text, phrases } = readPhrases(turn);
  return text.replace(PLACE, (_, number) => phrases[number].ref);
}

/** Give equal labels one colour, and everything a number. */
export function coloured(items) {
  const colourOf = new Map();
  return items.map((item, number) => {
    const label = item.ref ?? item.label;
    if (!colourOf.has(label)) colourOf.set(label, COLOURS[colourOf.size % COLOURS.length]);
    return { ...item, number, colour: colourOf.get(label) };
  });
}

/** Put what `make(phrase)` returns into the place of each phrase below an element. */
export function fillPlaces(element, phrases, make) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) if (walker.currentNode.data.includes(OPEN)) texts.push(walker.currentNode);
  for (const text of texts) {
    const pieces = text.data.split(PLACE).map((piece, at) => (at % 2 ? make(phrases[piece]) : piece));
    text.replaceWith(...pieces);
  }
}

const clean = (text) => text.replace(PRIVATE, "\uFFFD").replace(STRAY_MARKS, "");

/** Cut a mark of which only the beginning has come. */
function withoutBegunMark(text) {
  const at = text.lastIndexOf("<");
  const tail = at < 0 ? "" : text.slice(at);
  return tail && MARKS.some((mark) => mark.startsWith(tail)) ? text.slice(0, at) : text;
}

/** Return a function from offsets in characters to offsets in a JavaScript string, where some characters are two. */
function offsets(text) {
  if (!/[\uD800-\uDBFF]/.test(text)) return (offset) => offset;
  const starts = [];
  for (let at = 0; at < text.length; at += text.codePointAt(at) > 0xffff ? 2 : 1) starts.push(at);
  return (offset) => starts[offset] ?? text.length;
}
