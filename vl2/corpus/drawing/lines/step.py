"""Draw lines: texts as pictures, from a word to a page in columns, on plain, grained and photographed grounds."""

from __future__ import annotations

import io
import math
import random
from dataclasses import dataclass, replace

from PIL import Image, ImageDraw

from vl2.core.errors import ConfigError
from vl2.core.sample import ImageSource, Sample, SceneObject
from vl2.corpus.drawing.lines.faces import font
from vl2.corpus.drawing.lines.grounds import Ground, draw_ground
from vl2.corpus.drawing.lines.layout import FORMS, Form, Layout, lay_out
from vl2.corpus.filters.language import main_language
from vl2.corpus.hints import document_of
from vl2.corpus.pocket.png import encode_png
from vl2.corpus.rewriting import dice_of
from vl2.corpus.sources.wordings import READ, asked
from vl2.corpus.step import text_of
from vl2.data.faults import RowError

LEAST_SIDE = 28  # pixels: one patch of a tile and a rim
Corners = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class DrawLines:
    """Which forms are drawn, how often each, and where fonts and photographs are."""

    forms: dict[str, float]  # a form of vl2.corpus.drawing.lines.layout to its weight
    fonts: str = "/usr/share/fonts"  # of Debian's packages; an empty text leaves their faces out
    photos: str = ""  # a folder of photographs as grounds; without one there are none
    turned_share: float = 0.35
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.forms) - set(FORMS))
        if unknown or not self.forms or min(self.forms.values()) <= 0:
            raise ConfigError("draw_lines", "forms with weights", got=self.forms, expected=", ".join(FORMS))

    def change(self, sample: Sample) -> Sample:
        """Return the row with a part of its text as a picture to read; a box for each line. Raises RowError."""
        said = document_of(sample) or text_of(sample, ("assistant",))
        dice = dice_of(sample, "draw_lines", self.seed)
        name = dice.choices(list(self.forms), list(self.forms.values()))[0]
        form, chinese = FORMS[name], main_language(said) == "zh"
        layout = lay_out(said, form, dice, self.fonts, chinese=chinese)
        image, boxes, is_clean = self._draw(layout, form, dice)
        lines = zip(layout.lines, boxes, strict=True)
        told = {**sample.provenance, "document": layout.said, "form": name, "language": "zh" if chinese else "en"}
        return replace(
            sample,
            messages=asked(READ, layout.said),
            images=(_encoded(image, dice, is_clean=is_clean),),
            objects=tuple(SceneObject(line.text, box, kind="line") for line, box in lines),
            answers=(),
            provenance={name: value for name, value in told.items() if name != "metadata"},
        )

    def _draw(self, layout: Layout, form: Form, dice: random.Random) -> tuple[Image.Image, list[Corners], bool]:
        """Return the picture, the boxes of its lines, and whether its ground has neither grain nor photograph."""
        if min(layout.size) < LEAST_SIDE:
            raise RowError("a text that is drawn too small")
        angle = dice.uniform(-form.most_turned, form.most_turned) if dice.random() < self.turned_share else 0.0
        masks = [_mask(layout, is_accent=is_accent).rotate(angle, Image.Resampling.BICUBIC, expand=True)
                 for is_accent in (False, True)]  # fmt: skip
        size = masks[0].size
        kind = dice.choice([kind for kind in form.grounds if kind != "photo" or self.photos])
        ground = draw_ground(kind, size, dice, self.photos)
        if form.is_framed:
            _frame(ground, dice)
        ground.image.paste(ground.ink, (0, 0), masks[0])
        ground.image.paste(ground.accent, (0, 0), masks[1])
        boxes = [turned(line.box, layout.size, size, angle) for line in layout.lines]
        return ground.image, boxes, kind in ("plain", "gradient")


def turned(box: Corners, before: tuple[int, int], after: tuple[int, int], angle: float) -> Corners:
    """Return the box around a box that is turned about the middle of a picture, by degrees to the left."""
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    places = [(x - before[0] / 2, y - before[1] / 2) for x in (box[0], box[2]) for y in (box[1], box[3])]
    across = [x * cosine + y * sine + after[0] / 2 for x, y in places]
    down = [y * cosine - x * sine + after[1] / 2 for x, y in places]
    left, right = (min(max(one, 0), after[0]) for one in (min(across), max(across)))
    top, bottom = (min(max(one, 0), after[1]) for one in (min(down), max(down)))
    return (round(left, 1), round(top, 1), round(right, 1), round(bottom, 1))


def _mask(layout: Layout, *, is_accent: bool) -> Image.Image:
    """Return the ink [H, W] of the lines of one colour."""
    mask = Image.new("L", layout.size)
    pen = ImageDraw.Draw(mask)
    for line in layout.lines:
        if line.is_accent == is_accent:
            pen.text((line.x, line.y), line.text, font=font(line.face, line.size), fill=255, anchor="ls")
    return mask


def _frame(ground: Ground, dice: random.Random) -> None:
    width, height = ground.image.size
    inset, line = dice.randint(3, 9), dice.randint(1, 4)
    pen = ImageDraw.Draw(ground.image)
    if dice.random() < 0.5:
        pen.rectangle((inset, inset, width - inset, height - inset), outline=ground.accent, width=line)
    else:
        pen.rounded_rectangle((inset, inset, width - inset, height - inset), 12, outline=ground.accent, width=line)


def _encoded(image: Image.Image, dice: random.Random, *, is_clean: bool) -> ImageSource:
    """Return a clean picture as PNG, another as JPEG, as they are found."""
    if is_clean and dice.random() < 0.5:
        return ImageSource(data=encode_png(image), width=image.width, height=image.height)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=dice.randint(70, 94))
    return ImageSource(data=file.getvalue(), width=image.width, height=image.height)
