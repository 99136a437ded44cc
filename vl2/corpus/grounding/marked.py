"""Marked: questions about what a mark points out; the mark is drawn on the picture (ViP-LLaVA's recipe, table 1)."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from vl2.core.sample import ImagePart, ImageSource, Message, Part, Sample, TextPart
from vl2.corpus.filters.language import main_language
from vl2.corpus.grounding.kinds import load_kinds
from vl2.corpus.grounding.locate import chinese_of
from vl2.corpus.grounding.marks import SHAPES, Point, ShapeName, draw_mark, phrase_of, to_source, visible_colours
from vl2.corpus.grounding.negatives import Names
from vl2.corpus.grounding.targets import to_box
from vl2.corpus.grounding.wording import pick_language, say
from vl2.corpus.rewriting import dice_of
from vl2.data.faults import RowError
from vl2.processor import open_image

_PLACE = re.compile(r"<bbox(\d{1,4})>")  # of ViP-LLaVA's rows: the object of that number
MOST_MARKS = 6  # of one picture
Mark = tuple[ShapeName, str]  # and its colour


@dataclass(frozen=True, kw_only=True)
class Marked:
    """Which marks are drawn. A row with `<bbox0>` in its text has them there; of any other, one object is marked."""

    shapes: tuple[ShapeName, ...] = tuple(SHAPES)
    kinds: tuple[str, ...] = ("object", "shape")
    chinese_share: float = 0.2
    seed: int = 0

    def change(self, sample: Sample) -> Sample:
        """Return the row with its marks drawn and named. Raises RowError, and ImageError on a broken image."""
        if not sample.images:
            raise RowError("no image to mark")
        dice = dice_of(sample, "marked", self.seed)
        numbers = sorted({int(found) for text in _texts(sample) for found in _PLACE.findall(text)})
        if numbers:
            return self._with_places(sample, numbers, dice)
        chosen = [n for n, item in enumerate(sample.objects) if item.image == 0 and item.kind in self.kinds]
        if not chosen:
            raise RowError("no object to mark")
        number = dice.choice(chosen)
        image, marks = self._draw(sample, [number], dice)
        label, language = sample.objects[number].label, pick_language(dice, self.chinese_share)
        chinese = chinese_of(label, sample, Names(load_kinds())) if language == "zh" else None
        question = say("marked", "zh" if chinese else "en", dice, phrase_of(*marks[number], "zh" if chinese else "en"))
        messages = (
            Message("user", (ImagePart(), TextPart("\n" + question))),
            Message("assistant", (TextPart(chinese or label),)),
        )
        marked = [{"object": 0, "shape": marks[number][0], "colour": marks[number][1]}]
        told = {name: value for name, value in sample.provenance.items() if name != "outlines"}  # of all objects
        return replace(sample, messages=messages, images=(image,), objects=(sample.objects[number],), answers=(),
                       provenance={**told, "marks": marked})  # fmt: skip

    def _with_places(self, sample: Sample, numbers: Sequence[int], dice: random.Random) -> Sample:
        if numbers[-1] >= len(sample.objects) or len(numbers) > MOST_MARKS:
            raise RowError("a marked place without its object, or too many")
        image, marks = self._draw(sample, numbers, dice)
        language = "zh" if main_language("\n".join(_texts(sample))) == "zh" else "en"

        def named(part: Part) -> Part:
            if not isinstance(part, TextPart):
                return part
            return TextPart(_PLACE.sub(lambda found: phrase_of(*marks[int(found[1])], language), part.text))

        messages = tuple(Message(turn.role, tuple(map(named, turn.parts))) for turn in sample.messages)
        told = [{"object": n, "shape": shape, "colour": colour} for n, (shape, colour) in marks.items()]
        return replace(sample, messages=messages, images=(image, *sample.images[1:]),
                       provenance={**sample.provenance, "marks": told})  # fmt: skip

    def _draw(self, sample: Sample, numbers: Sequence[int], dice: random.Random) -> tuple[ImageSource, dict[int, Mark]]:
        image = open_image(sample.images[0])
        marks: dict[int, Mark] = {}
        for number in numbers:
            image, marks[number] = self._add(image, sample, number, {colour for _, colour in marks.values()}, dice)
        return to_source(image, sample.images[0]), marks

    def _add(
        self, image: Image.Image, sample: Sample, number: int, used: set[str], dice: random.Random
    ) -> tuple[Image.Image, Mark]:
        item = sample.objects[number]
        if to_box(item.box, image.size) is None:
            raise RowError("an object that is empty or outside its image")
        outline = outline_of(sample, number)
        shapes: list[ShapeName] = [name for name in self.shapes if outline or not SHAPES[name].needs_outline]
        colours = [name for name in visible_colours(image, item.box) if name not in used]
        if not shapes or not colours:
            raise RowError("no mark fits")
        shape, colour = dice.choice(shapes), dice.choice(colours)
        return draw_mark(image, shape, colour, item.box, outline, dice), (shape, colour)


def outline_of(sample: Sample, number: int) -> tuple[Point, ...]:
    """Return the outline of an object: entry of `outlines` in provenance, `[x, y, x, y, ..]` in pixels, or nothing."""
    told: Any = sample.provenance.get("outlines")
    try:
        flat = [float(value) for value in told[number]]
    except (TypeError, ValueError, IndexError, KeyError):
        return ()
    points = tuple(zip(flat[::2], flat[1::2], strict=False))
    return points if len(points) >= 3 and all(abs(value) < 1e6 for value in flat) else ()


def _texts(sample: Sample) -> list[str]:
    return [part.text for turn in sample.messages for part in turn.parts if isinstance(part, TextPart)]
