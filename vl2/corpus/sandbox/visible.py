"""Visible: what can be seen of a page in a window: elements by name, lines of text, each with its box.

Seen is what lies within the window whole, and is what a pointer at its place would meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Corners = tuple[float, float, float, float]
LONGEST_NAME = 60  # characters of an element
LEAST_SIDE = 8  # pixels

# settings: how far to scroll (0..1), how many lines at most, whether the picture ends with them
LOOK = r"""(() => {
const [share, most, fit] = [%s, %s, %s], html = document.documentElement, width = innerWidth;
const style = document.head.appendChild(document.createElement('style'));
style.textContent = '* { pointer-events: auto !important; scroll-behavior: auto !important }';
scrollTo(0, Math.round(share * Math.max(0, html.scrollHeight - innerHeight)));
const shows = (node) => node.checkVisibility({opacityProperty: true, visibilityProperty: true});
const meets = (node, x, y) => { const hit = document.elementFromPoint(x, y); return hit && node.contains(hit) };
const squash = (text) => (text || '').replace(/\s+/g, ' ').trim();
const words = [], cut = [];  // a word, or one character of those that are written without spaces
const word = /[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]|[^\s\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]+/g;
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), range = document.createRange();
for (let node; (node = walker.nextNode());) {
  const parent = node.parentElement;
  if (!node.data.trim() || !shows(parent)) continue;
  const turn = getComputedStyle(parent).textTransform, item = parent.closest('ol > li');
  for (const found of node.data.matchAll(word)) {
    range.setStart(node, found.index); range.setEnd(node, found.index + found[0].length);
    const rects = range.getClientRects(); if (!rects.length) continue;
    const box = range.getBoundingClientRect();
    if (box.bottom <= 0 || box.width < 1) continue;
    if (box.top < 0 || box.bottom > innerHeight) { if (box.bottom > innerHeight) cut.push(box.top); continue }
    if (box.left < 0 || box.right > width || !meets(parent, (box.left + box.right) / 2, (box.top + box.bottom) / 2))
      continue;
    let text = found[0];
    if (turn == 'uppercase') text = text.toUpperCase(); else if (turn == 'lowercase') text = text.toLowerCase();
    else if (turn == 'capitalize') text = text[0].toUpperCase() + text.slice(1);
    words.push({text, box: [box.left, box.top, box.right, box.bottom], item});
  }
}
const lines = [], numbered = new Set();
for (const word of words) {
  const last = lines.at(-1), [x1, y1, x2, y2] = word.box;
  const shared = last ? Math.min(last.box[3], y2) - Math.max(last.box[1], y1) : 0;
  const level = last && shared > 0.5 * Math.min(last.box[3] - last.box[1], y2 - y1);
  const gap = last ? x1 - last.box[2] : 0;
  if (level && gap > -2 && gap < 0.9 * (y2 - y1)) {
    last.text += (gap > 1 ? ' ' : '') + word.text;
    last.box = [last.box[0], Math.min(last.box[1], y1), x2, Math.max(last.box[3], y2)];
  } else {
    let mark = '';  // the number that the browser writes before an item
    if (word.item && !numbered.has(word.item)) {
      mark = [...word.item.parentElement.children].indexOf(word.item) + 1 + '. ';
      numbered.add(word.item);
    }
    lines.push({text: word.text, box: word.box, mark, level: Boolean(level && gap > -2)});
  }
}
let height = innerHeight;
if (fit) {
  const body = document.body.getBoundingClientRect();
  height = Math.min(height, Math.ceil(Math.max(body.bottom, ...lines.map((line) => line.box[3])) + 8));
  if (cut.length) height = Math.min(height, Math.floor(Math.min(...cut)));
  const tops = lines.map((line) => line.box[1]).sort((one, other) => one - other);
  if (tops.length > most) height = Math.min(height, Math.floor(tops[most]));
  height = Math.max(height, 32);
}
const names = {A: 'link', BUTTON: 'button', INPUT: 'input', SELECT: 'input', TEXTAREA: 'input', IMG: 'image'};
const elements = [];
for (const node of document.querySelectorAll('a[href],button,input,select,textarea,img,h1,h2,h3,h4,h5,h6')) {
  const kind = names[node.tagName] || 'heading'; if (!shows(node)) continue;
  range.selectNodeContents(node);
  const rects = kind == 'link' ? node.getClientRects() : [];
  if (kind == 'link' && rects.length > 1 && [...rects].some((rect) => rect.top != rects[0].top)) continue;
  const box = (kind == 'heading' ? range : node).getBoundingClientRect();
  if (box.left < 0 || box.top < 0 || box.right > width || box.bottom > height) continue;
  const near = [[0.5, 0.5], [0.2, 0.5], [0.8, 0.5]].every(([x, y]) => {
    const hit = document.elementFromPoint(box.left + x * box.width, box.top + y * box.height);
    return hit && (node.contains(hit) || kind == 'heading' && hit.contains(node)) });
  if (!near) continue;
  let name = node.innerText;
  if (kind == 'image') name = node.alt.replace(/^\[|\]$/g, '');
  if (kind == 'input') name = (['submit', 'button', 'reset'].includes(node.type) ? node.value : '') || node.placeholder
    || node.ariaLabel || node.labels && node.labels[0] && node.labels[0].innerText;
  elements.push({kind: node.type == 'submit' && kind == 'input' ? 'button' : kind, name: squash(name),
                 box: [box.left, box.top, box.right, box.bottom]});
}
style.remove();
return {elements, lines: lines.filter((line) => line.box[3] <= height), height, scrolled: scrollY};
})()"""


@dataclass(frozen=True)
class Element:
    """A link, a button, an input, a heading or an image, by the name that a reader gives it."""

    kind: str
    name: str
    box: Corners


@dataclass(frozen=True)
class Line:
    """Text that stands in one line, without a gap."""

    text: str
    box: Corners


def read_look(found: Any) -> tuple[tuple[Element, ...], tuple[Line, ...], str]:
    """Return the elements that have a name, the lines, and the text: what stands side by side in one line of it."""
    elements = (Element(one["kind"], one["name"], _corners(one["box"])) for one in found["elements"])
    kept = tuple(one for one in elements if _is_name(one.name) and _is_large(one.box))
    lines = tuple(Line(one["text"], _corners(one["box"])) for one in found["lines"])
    said = "".join(f"{' ' if one['level'] else chr(10)}{one['mark']}{one['text']}" for one in found["lines"])
    return kept, lines, said.strip()


def _is_name(name: str) -> bool:
    return len(name) <= LONGEST_NAME and any(map(str.isalpha, name))


def _corners(box: list[float]) -> Corners:
    x1, y1, x2, y2 = (round(float(side), 1) for side in box)
    return (x1, y1, x2, y2)


def _is_large(box: Corners) -> bool:
    return box[2] - box[0] >= LEAST_SIDE and box[3] - box[1] >= LEAST_SIDE
