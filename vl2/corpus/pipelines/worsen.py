"""Worsen: pictures as poor cameras and bad lines give them, against a weakness that the authors name (section 5).

Boxes follow where the picture is turned or seen in another frame; nothing that an answer boxes is lost.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, ImageSource, Message, Part, Sample, SceneObject
from vl2.corpus.grounding.marks import to_source
from vl2.corpus.rewriting import dice_of
from vl2.data.faults import RowError
from vl2.processor import image_size, open_image
from vl2.processor.degrade import degrade, degrade_box
from vl2.train.tuning.augment import augmented

Kind = Literal["blur", "noise", "jpeg", "low_light", "resample", "rotation", "frame"]
SEEDS = 1 << 31


@dataclass(frozen=True, kw_only=True)
class Worsen:
    """Which pictures get worse, and how far. `frame` shows the picture of a boxed answer through another window."""

    share: float = 0.3  # of rows with pictures
    kinds: tuple[Kind, ...] = ("blur", "noise", "jpeg", "low_light", "resample")
    most_level: int = 3  # of five; what is worse can often not be read any more
    seed: int = 0

    def change(self, sample: Sample) -> Sample:
        """Return the row, or with that share its pictures worse. Raises ImageError on a broken one."""
        dice = dice_of(sample, "worsen", self.seed)
        if not sample.images or dice.random() >= self.share:
            return sample
        kind = dice.choice(self.kinds)
        told = {**sample.provenance, "worsened": kind}
        if kind == "frame":
            made = augmented(sample, np.random.default_rng(dice.randrange(SEEDS)))
            return made if made is sample else replace(made, provenance=told)
        level = dice.randint(1, self.most_level)
        made = _turned(sample, level, dice) if kind == "rotation" else _spoiled(sample, kind, level, dice)
        return replace(made, provenance={**told, "level": level})


def _spoiled(sample: Sample, kind: str, level: int, dice: random.Random) -> Sample:
    """Return the row with every picture worse and all pixels in their places."""
    images = tuple(_degraded(image, kind, level, dice.randrange(SEEDS)) for image in sample.images)
    return replace(sample, images=images)


def _degraded(image: ImageSource, kind: str, level: int, seed: int) -> ImageSource:
    """Return a worse picture, a photograph as JPEG again: noise as PNG takes eight times the room."""
    return to_source(open_image(degrade(image.data or b"", kind, level, seed)), image)


def _turned(sample: Sample, level: int, dice: random.Random) -> Sample:
    """Return the row with its only picture turned, objects and boxes with it."""
    if len(sample.images) != 1:
        raise RowError("several pictures are not turned")
    seed, size = dice.randrange(SEEDS), image_size(sample.images[0])
    shown = _degraded(sample.images[0], "rotation", level, seed)
    new_size = image_size(shown)

    def turned(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        return degrade_box(box, size, "rotation", level, seed)

    def moved(part: Part) -> Part:
        if not isinstance(part, BoxesPart) or not part.boxes:
            return part
        unit = [box.unit() for box in part.boxes]
        pixels = [(a * size[0], b * size[1], c * size[0], d * size[1]) for a, b, c, d in unit]
        boxes = sorted((Box.from_pixels(*turned(box), width=new_size[0], height=new_size[1]) for box in pixels),
                       key=lambda box: (box.y1, box.x1, box.y2, box.x2))  # fmt: skip
        return BoxesPart(part.label, tuple(boxes))

    messages = tuple(Message(turn.role, tuple(map(moved, turn.parts))) for turn in sample.messages)
    objects = tuple(SceneObject(o.label, turned(o.box), o.image, o.kind) for o in sample.objects)
    return replace(sample, images=(shown,), messages=messages, objects=objects)
