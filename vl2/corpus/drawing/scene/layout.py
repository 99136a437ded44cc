"""Scene layout: where each thing stands, and what of it is seen; later ones stand in front of earlier ones."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from vl2.corpus.drawing.scene.cast import Thing
from vl2.corpus.drawing.scene.stamps import SOLID, Colour, Stamp

LEAST_VISIBLE = 0.72  # of what is solid of each thing
MIDDLE = (0.28, 0.72)  # of the sides of a box: marks that point at a thing point there, and so it is never hidden
LEAST_CONTRAST = 45.0  # between the mean colours of a thing and of what lies behind it: levels, as a distance
TRIES = 40
BORDER = 4  # pixels that stay free at the edge
LARGEST_GROWTH = 2.2  # of a stamp: a larger one would be blurred
_COARSE = 8  # pixels of a side that the ground's colour is looked up by
_SOFTNESS = 0.7  # pixels, of borders
_SHADE = 90  # opacity of shadows


@dataclass(frozen=True)
class Cutout:
    """A thing as it will be seen."""

    thing: Thing
    image: Image.Image  # RGBA
    solid: np.ndarray  # [h, w] bool
    colour: Colour


@dataclass(frozen=True)
class Seen:
    """What is seen of a thing: its box in pixels, and the part of the picture within that box that it fills."""

    thing: Thing
    box: tuple[int, int, int, int]
    visible: np.ndarray  # [y2 - y1, x2 - x1] bool


def cut_out(thing: Thing, stamp: Stamp, side: float, turn: float, mirrored: bool) -> Cutout:
    """Return a stamp with that longest side in pixels, turned by degrees, its border soft."""
    image = stamp.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else stamp.image
    factor = min(side / max(image.size), LARGEST_GROWTH)
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    image = image.resize(size, Image.Resampling.BICUBIC)
    if turn:
        image = image.rotate(turn, Image.Resampling.BICUBIC, expand=True)
    alpha = image.getchannel("A")
    # never more opaque than it was: beyond the border a stamp has no colour
    image.putalpha(ImageChops.darker(alpha, alpha.filter(ImageFilter.GaussianBlur(_SOFTNESS))))
    return Cutout(thing, image, np.asarray(image.getchannel("A")) >= SOLID, stamp.colour)


class Layout:
    """Things on a ground."""

    def __init__(self, ground: Image.Image) -> None:
        self._ground = ground
        self._coarse = np.asarray(ground.reduce(_COARSE), np.float32)  # [H/8, W/8, 3]
        self._owner = np.full((ground.height, ground.width), -1, np.int16)  # who is seen where
        self._placed: list[tuple[Cutout, int, int]] = []
        self._left: list[int] = []  # pixels of each that are still seen

    def add(self, cutout: Cutout, overlaps: bool, dice: random.Random) -> bool:
        """Find a place for a thing, where it covers little and is not lost on its ground; tell whether there is one."""
        height, width = cutout.solid.shape
        free = self._ground.width - width - 2 * BORDER, self._ground.height - height - 2 * BORDER
        total = int(cutout.solid.sum())
        if min(free) < 0 or not total:
            return False
        for _ in range(TRIES):
            x, y = BORDER + dice.randint(0, free[0]), BORDER + dice.randint(0, free[1])
            covered = self._covered(cutout, x, y)
            may_cover = not covered.any() or (overlaps and self._may_cover(covered, cutout, x, y))
            if may_cover and self._stands_out(cutout, x, y):
                self._owner[y : y + height, x : x + width][cutout.solid] = len(self._placed)
                self._left = [left - int(lost) for left, lost in zip(self._left, covered, strict=True)] + [total]
                self._placed.append((cutout, x, y))
                return True
        return False

    def seen(self) -> list[Seen]:
        """Return what is seen of each thing, in the order in which they were added."""
        return [self._seen(number, *placed) for number, placed in enumerate(self._placed)]

    def picture(self, shadows: bool) -> Image.Image:
        """Return the scene as RGB."""
        picture = self._ground.copy()
        for cutout, x, y in self._placed:
            if shadows:
                _cast_shadow(picture, cutout.image.getchannel("A"), x, y)
            picture.paste(cutout.image, (x, y), cutout.image)
        return picture

    def _covered(self, cutout: Cutout, x: int, y: int) -> np.ndarray:
        """Return how many pixels of each placed thing would be hidden [things]."""
        height, width = cutout.solid.shape
        owners = self._owner[y : y + height, x : x + width][cutout.solid]
        return np.bincount(owners + 1, minlength=len(self._placed) + 1)[1:]

    def _may_cover(self, covered: np.ndarray, front: Cutout, x: int, y: int) -> bool:
        """Tell whether all that is covered stays visible enough, above all its middle, and has another colour."""
        return all(
            not lost
            or (
                left - lost >= LEAST_VISIBLE * behind.solid.sum()
                and _differ(behind.colour, front.colour)
                and not _covers_middle(front.solid, behind.solid.shape, (at_x - x, at_y - y))
            )
            for (behind, at_x, at_y), left, lost in zip(self._placed, self._left, covered.tolist(), strict=True)
        )

    def _stands_out(self, cutout: Cutout, x: int, y: int) -> bool:
        height, width = cutout.solid.shape
        behind = self._coarse[y // _COARSE : (y + height) // _COARSE + 1, x // _COARSE : (x + width) // _COARSE + 1]
        return _differ(behind.mean((0, 1)), cutout.colour)

    def _seen(self, number: int, cutout: Cutout, x: int, y: int) -> Seen:
        height, width = cutout.solid.shape
        visible = self._owner[y : y + height, x : x + width] == number
        rows, columns = np.nonzero(visible.any(1))[0], np.nonzero(visible.any(0))[0]
        top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
        box = (x + left, y + top, x + right, y + bottom)
        return Seen(cutout.thing, box, visible[top:bottom, left:right])


def _covers_middle(solid: np.ndarray, shape: tuple[int, ...], corner: tuple[int, int]) -> bool:
    """Tell whether a mask reaches the middle of a box of a shape whose corner, as seen from its own, lies there."""
    (height, width), (x, y) = shape, corner
    rows = slice(max(0, y + int(height * MIDDLE[0])), max(0, y + int(height * MIDDLE[1])))
    columns = slice(max(0, x + int(width * MIDDLE[0])), max(0, x + int(width * MIDDLE[1])))
    return bool(solid[rows, columns].any())


def _differ(one: np.ndarray | Colour, other: Colour) -> bool:
    return float(np.linalg.norm(np.subtract(one, other))) >= LEAST_CONTRAST


def _cast_shadow(picture: Image.Image, alpha: Image.Image, x: int, y: int) -> None:
    """Darken what lies to the lower right of a thing."""
    reach = max(2, max(alpha.size) // 40)
    wide = Image.new("L", (alpha.width + 4 * reach, alpha.height + 4 * reach))
    wide.paste(alpha, (2 * reach, 2 * reach))
    shade = wide.filter(ImageFilter.BoxBlur(reach)).point([value * _SHADE // 255 for value in range(256)])
    picture.paste((0, 0, 0), (x - reach, y - reach), shade)
