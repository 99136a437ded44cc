"""Boxes as the model writes them: four integers in 0..999."""

from __future__ import annotations

from dataclasses import dataclass

from vl2.core.errors import VL2Error

BOX_SCALE = 999  # the largest coordinate the model writes; the full width or height of an image


@dataclass(frozen=True, order=True)
class Box:
    """A rectangle in thousandths of its image: x1 <= x2 and y1 <= y2, all in 0..999."""

    x1: int
    y1: int
    x2: int
    y2: int

    def __post_init__(self) -> None:
        if not (0 <= self.x1 <= self.x2 <= BOX_SCALE and 0 <= self.y1 <= self.y2 <= BOX_SCALE):
            raise VL2Error("box", "corners are out of order or range", got=self.thousandths(), expected="0..999")

    @classmethod
    def from_pixels(cls, x1: float, y1: float, x2: float, y2: float, *, width: int, height: int) -> Box:
        """Round pixel corners to thousandths; corners outside the image are clipped to it."""
        left, right = sorted((_to_thousandth(x1, width), _to_thousandth(x2, width)))
        top, bottom = sorted((_to_thousandth(y1, height), _to_thousandth(y2, height)))
        return cls(left, top, right, bottom)

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return pixel corners, truncated as the official drawing code does."""
        return (
            int(self.x1 / BOX_SCALE * width),
            int(self.y1 / BOX_SCALE * height),
            int(self.x2 / BOX_SCALE * width),
            int(self.y2 / BOX_SCALE * height),
        )

    def unit(self) -> tuple[float, float, float, float]:
        """Return the corners in 0..1."""
        return (self.x1 / BOX_SCALE, self.y1 / BOX_SCALE, self.x2 / BOX_SCALE, self.y2 / BOX_SCALE)

    def thousandths(self) -> tuple[int, int, int, int]:
        """Return the corners in 0..999."""
        return (self.x1, self.y1, self.x2, self.y2)

    def center(self) -> tuple[float, float]:
        """Return the middle of the box in 0..1."""
        return ((self.x1 + self.x2) / 2 / BOX_SCALE, (self.y1 + self.y2) / 2 / BOX_SCALE)

    def iou(self, other: Box) -> float:
        """Return intersection over union; two equal empty boxes count as 1."""
        if self == other:
            return 1.0
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        shared = max(0, width) * max(0, height)
        union = self._area() + other._area() - shared
        return shared / union if union else 0.0

    def _area(self) -> int:
        return (self.x2 - self.x1) * (self.y2 - self.y1)


def _to_thousandth(value: float, size: int) -> int:
    return max(0, min(BOX_SCALE, round(value / size * BOX_SCALE)))
