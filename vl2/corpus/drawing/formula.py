"""Draw formula: LaTeX as a picture by matplotlib's mathtext, in many faces, sizes and colours."""

from __future__ import annotations

import io
import logging
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from vl2.core.sample import ImageSource, Sample
from vl2.corpus.rewriting import dice_of
from vl2.corpus.sources.wordings import FORMULA, asked
from vl2.corpus.step import text_of
from vl2.data.faults import RowError

_OTHERWISE = re.compile(r"(?<!\\)[%#$&]|\\\\|[^\x20-\x7e]")  # mathtext draws these, or their lack, unlike LaTeX
_NAMED = re.compile(r"\\[A-Za-z]+\s*\{[^{}]*\}")
_WORD = re.compile(r"(?<![A-Za-z\\])(?:for|or|and|if|where|otherwise|is|the|with|of|when|else)(?![A-Za-z])")
_UNKNOWN = re.compile(r"Unknown symbol: (\\[A-Za-z]+)")
_LOOKS = (((255, 255, 255), (0, 0, 0)),) * 5 + (
    ((255, 255, 255), (40, 40, 60)), ((250, 246, 232), (50, 40, 30)), ((244, 244, 244), (20, 20, 20)),
    ((232, 240, 250), (10, 40, 90)), ((255, 255, 255), (150, 20, 30)), ((30, 32, 38), (230, 230, 225)),
    ((22, 60, 48), (245, 245, 235)), ((20, 28, 60), (220, 230, 255)),
)  # fmt: skip
_WRONG = (ValueError, RuntimeError, KeyError, IndexError, TypeError, AttributeError, OverflowError, ZeroDivisionError)


@dataclass(frozen=True, kw_only=True)
class DrawFormula:
    """How formulas are drawn."""

    faces: tuple[str, ...] = ("cm", "cm", "stix", "stix", "dejavuserif", "dejavusans", "stixsans")
    least_size: float = 14.0  # pixels of an em
    most_size: float = 44.0
    most_width: int = 1600  # pixels; a wider formula is drawn smaller
    most_margin: int = 40  # pixels
    most_characters: int = 400
    seed: int = 0

    def change(self, sample: Sample) -> Sample:
        """Return the row with its formula as picture. Raises RowError on what mathtext does not know."""
        formula = text_of(sample, ("assistant",))
        if not formula or len(formula) > self.most_characters:
            raise RowError("no formula, or one that is too long")
        if _OTHERWISE.search(formula):
            raise RowError("a formula with signs that mathtext draws otherwise")
        if _WORD.search(_NAMED.sub("", formula)):
            raise RowError("a formula with words that are set as if they were variables")
        dice = dice_of(sample, "draw_formula", self.seed)
        face, size = dice.choice(self.faces), dice.uniform(self.least_size, self.most_size)
        ink = _drawn(formula, face, size)  # [H, W]
        if ink.shape[1] > self.most_width:
            size *= self.most_width / ink.shape[1]
            if size < self.least_size:
                raise RowError("a formula that is too wide for one line")
            ink = _drawn(formula, face, size)
        left, top, right, bottom = (dice.randint(4, self.most_margin) for _ in range(4))
        share = np.pad(ink, ((top, bottom), (left, right))).astype(np.float32)[..., None] / 255  # [H, W, 1]
        ground, colour = (np.array(one, np.float32) for one in dice.choice(_LOOKS))
        picture = Image.fromarray(np.rint(ground * (1 - share) + colour * share).astype(np.uint8))
        data = io.BytesIO()
        picture.save(data, "PNG")
        image = ImageSource(data=data.getvalue(), width=picture.width, height=picture.height)
        told = {**sample.provenance, "latex": formula, "face": face}
        return replace(sample, messages=asked(FORMULA, formula), images=(image,), answers=(formula,), provenance=told)


def _drawn(formula: str, face: str, size: float) -> np.ndarray:
    """Return how much ink is where, 0..255 [H, W]. Raises RowError, also on a sign that the face lacks."""
    parser, properties, lacking = _mathtext()
    lacking.clear()
    try:
        drawn = parser.parse(f"${formula}$", dpi=72, prop=properties(size=size, math_fontfamily=face))
        ink = np.asarray(drawn.image)
    except _WRONG as error:
        unknown = _UNKNOWN.search(str(error))
        raise RowError(f"mathtext does not know {unknown.group(1)}" if unknown else "mathtext cannot read it") from None
    if lacking:
        raise RowError("a face without one of the signs")
    if ink.ndim != 2 or not ink.any():
        raise RowError("a formula that leaves no ink")
    return ink


@cache
def _mathtext() -> tuple[Any, Any, list[str]]:
    """Return the parser, what makes a font, and a list that grows when a font lacks a sign."""
    from matplotlib.font_manager import FontProperties  # imported late: it takes as long as some runs
    from matplotlib.mathtext import MathTextParser

    lacking: list[str] = []
    told = logging.getLogger("matplotlib.mathtext")
    told.addFilter(lambda record: lacking.append(record.getMessage()) or False)  # it tells nobody else
    return MathTextParser("agg"), FontProperties, lacking
