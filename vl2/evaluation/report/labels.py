"""Labels beside the points of a figure, where there is room for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LETTER, LINE = 6.4, 13.0  # pixels of the figure that a letter is wide, and a line high
GAP = 8.0  # from the middle of a point
MOST_LETTERS = 40
STEPS = (0.0, -0.9, 0.9, -1.8, 1.8, -2.7, 2.7)  # lines up and down that are tried


@dataclass(frozen=True, kw_only=True)
class Label:
    """A text whose baseline begins, or ends, at a place."""

    text: str
    x: float
    y: float
    anchor: str  # start or end
    area: tuple[float, float, float, float]  # x1, y1, x2, y2 that it covers


class Labels:
    """Place labels one after the other, the important ones first."""

    def __init__(self, points: Sequence[tuple[float, float]], width: float, height: float) -> None:
        self.width, self.height = width, height
        self._taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in points]

    def place(self, text: str, x: float, y: float, *, always: bool) -> Label | None:
        """Return the label of the point x, y; None where there is no room, unless it has to be `always`."""
        text = text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1]}…"
        tried = [_beside(text, x, y + step * LINE, anchor) for step in STEPS for anchor in ("start", "end")]
        inside = [label for label in tried if self._is_inside(label)]
        chosen = next((label for label in inside if not any(_touch(label.area, one) for one in self._taken)), None)
        if chosen is None and always:
            chosen = (inside or tried)[0]
        if chosen is not None:
            self._taken.append(chosen.area)
        return chosen

    def _is_inside(self, label: Label) -> bool:
        x1, y1, x2, y2 = label.area
        return x1 >= 0 and y1 >= 0 and x2 <= self.width and y2 <= self.height


def _beside(text: str, x: float, y: float, anchor: str) -> Label:
    length = LETTER * len(text)
    left = x + GAP if anchor == "start" else x - GAP - length
    area = (left, y - LINE / 2, left + length, y + LINE / 2)
    return Label(text=text, x=x + GAP if anchor == "start" else x - GAP, y=y + LINE / 3, anchor=anchor, area=area)


def _touch(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
