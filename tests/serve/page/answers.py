"""Recorded answers, cut into the pieces in which a server streams them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Corners = tuple[float, float, float, float]
PIECE = re.compile(r"<\|[^|]*\|>|\s*\S{1,6}|\s+", re.DOTALL)  # about what a token is


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """A grounded phrase: a label, its boxes in 0..1, the place of its image."""

    label: str
    boxes: tuple[Corners, ...]
    image: int = 0


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """What one event carries."""

    text: str
    grounding: tuple[dict[str, Any], ...] = ()


HOSTILE = """Before <img src=x onerror="window.hacked=1"> and <script>window.hacked=2</script>

[a link](javascript:window.hacked=3) [another](data:text/html,<script>window.hacked=4</script>) ![x](http://192.0.2.1/x.png)

<iframe srcdoc="<script>parent.hacked=5</script>"></iframe><svg onload="window.hacked=6"><style>*{display:none}</style>
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.hacked=7&gt;">

$\\href{javascript:window.hacked=8}{x}$ $\\htmlData{x=1}{y}$
<a href="https://example.org" onclick="window.hacked=9">after</a>
"""

MARKDOWN = """## What it says

The receipt has **three** items:

| item | price |
|---|---:|
| Cake | 7.02 |
| Stamp | 2.35 |
| Yogurt | 4.30 |

The total is $7.02 + 2.35 + 4.30 = 13.67$, and it costs $5 or $6.

$$\\sum_{i=1}^{3} p_i = \\frac{1367}{100}$$

```python
def total(prices):
    return round(sum(prices), 2)  # 13.67
```
"""

HOUSE = Phrase(label="blue house", boxes=((0.438, 0.042, 0.761, 0.354),))
ARROWS = Phrase(
    label="arrows", boxes=((0.073, 0.125, 0.365, 0.365), (0.0, 0.583, 0.292, 0.917), (0.604, 0.708, 0.781, 0.927))
)
SIGN = Phrase(label="sign", boxes=((0.03, 0.35, 0.8, 0.68),), image=1)
SHAPES = ("The picture 🖼 shows a ", HOUSE, " and ", ARROWS, ". The second one has a ", SIGN, ".")


def chunks(parts: tuple[str | Phrase, ...]) -> Iterator[Chunk]:
    """Yield an answer piece by piece; what is known of a phrase comes with the piece that makes it known."""
    at = 0
    for part in parts:
        if isinstance(part, str):
            for piece in PIECE.findall(part):
                at += len(piece)
                yield Chunk(text=piece)
        else:
            yield from _phrase(part, at)
            at += len(marked(part))


def marked(phrase: Phrase) -> str:
    """Return a phrase as the model writes it."""
    boxes = ", ".join(str([round(999 * share) for share in box]) for box in phrase.boxes)
    return f"<|ref|>{phrase.label}<|/ref|><|det|>[{boxes}]<|/det|>"


def _phrase(phrase: Phrase, start: int) -> Iterator[Chunk]:
    """A label is known at its end mark, each box at its bracket, all of it at the last mark."""
    text = ""
    for piece in PIECE.findall(marked(phrase)):
        known_before = len(re.findall(r"\d\]", text))
        text += piece
        known = len(re.findall(r"\d\]", text))
        complete = text.endswith("<|/det|>")
        if piece == "<|/ref|>" or known > known_before or complete:
            entry = {
                "ref": phrase.label, "span": [start, start + len(text)], "image": phrase.image, "problems": [],
                "boxes": [list(box) for box in phrase.boxes[:known]], "complete": complete,
            }  # fmt: skip
            yield Chunk(text=piece, grounding=(entry,))
        else:
            yield Chunk(text=piece)
