"""Boxes as a grammar of characters: what `render_boxes` writes between its marks, one character at a time."""

from __future__ import annotations

from typing import NamedTuple

from vl2.core.boxes import BOX_SCALE

DIGITS = "0123456789"
CHARACTERS = DIGITS + "[], "
_MOST_DIGITS = len(str(BOX_SCALE))
_X2, _Y2, _BEHIND_BOX, _END = 2, 3, 4, 5  # places behind x1 and y1


class BoxState(NamedTuple):
    """Where in `[[x1, y1, x2, y2], ..]` the next character stands. From every state the end can be reached.

    At least one box; x1 <= x2 and y1 <= y2, in 0..999, without leading zeros.
    """

    num_left: int  # boxes that may follow the one under way
    literal: str = "[["  # characters that come now, before anything else
    place: int = 0  # which of the four numbers, behind them, or the end
    digits: str = ""  # of the number under way
    least: tuple[int, int] = (0, 0)  # x1 and y1 once they are known

    @property
    def is_number(self) -> bool:
        """Tell whether a number stands here, or goes on."""
        return not self.literal and self.place < _BEHIND_BOX

    @property
    def is_end(self) -> bool:
        """Tell whether the boxes are complete."""
        return self.place == _END

    @property
    def lower_bound(self) -> int:
        """Return the least value that the number under way may have."""
        return self.least[self.place - _X2] if _X2 <= self.place < _BEHIND_BOX else 0

    def next(self, character: str) -> BoxState | None:
        """Return the state behind a character, None when it cannot come here."""
        if self.literal:
            return self._replace(literal=self.literal[1:]) if character == self.literal[0] else None
        if self.is_number:
            return self._in_number(character)
        return self._behind_box(character) if self.place == _BEHIND_BOX else None

    def read(self, text: str) -> BoxState | None:
        """Return the state behind a text, None when it cannot come here."""
        state: BoxState | None = self
        for character in text:
            state = state.next(character)
            if state is None:
                return None
        return state

    def _in_number(self, character: str) -> BoxState | None:
        if character in DIGITS:
            digits = self.digits + character
            return self._replace(digits=digits) if largest_value(digits) >= self.lower_bound else None
        if not self.digits or int(self.digits) < self.lower_bound:
            return None
        if character != ("]" if self.place == _Y2 else ","):
            return None
        value = int(self.digits)
        least = ((value, 0), (self.least[0], value), self.least, self.least)[self.place]
        literal = "" if self.place == _Y2 else " "
        return self._replace(literal=literal, place=self.place + 1, digits="", least=least)

    def _behind_box(self, character: str) -> BoxState | None:
        if character == "]":
            return self._replace(place=_END)
        if character == "," and self.num_left:
            return BoxState(self.num_left - 1, literal=" [")
        return None


def largest_value(digits: str) -> int:
    """Return the largest number that begins with these digits; -1 when none does."""
    if digits == "0":
        return 0
    if digits[0] == "0" or len(digits) > _MOST_DIGITS:
        return -1
    return int(digits.ljust(_MOST_DIGITS, "9"))
