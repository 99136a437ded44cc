"""In context: one picture marks a thing, a second one is asked where the same kind of thing is (section 3.3).

The second picture is another row of the block; of several the next one. A thing is only asked for where there is
exactly one of its label, so that the answer is not a matter of taste.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vl2.core.errors import VL2Error
from vl2.core.sample import BoxesPart, ImagePart, Message, Sample, TextPart
from vl2.corpus.grounding.kinds import load_kinds
from vl2.corpus.grounding.locate import chinese_of
from vl2.corpus.grounding.marks import Corners, ShapeName, draw_mark, phrase_of, to_source, visible_colours
from vl2.corpus.grounding.negatives import Names
from vl2.corpus.grounding.targets import Target, checked, size_of, targets_of
from vl2.corpus.grounding.wording import Language, pick_language, say
from vl2.corpus.rewriting import dice_of
from vl2.data.faults import RowError
from vl2.processor import open_image
from vl2.processor.marks import GROUNDING

OBJECT: dict[Language, str] = {"en": "an object {}", "zh": "{}的物体"}


@dataclass(frozen=True, kw_only=True)
class InContext:
    """How a thing is marked in the first picture, and how often questions are Chinese."""

    shapes: tuple[ShapeName, ...] = ("rectangle", "ellipse")
    kinds: tuple[str, ...] = ("object", "shape")
    chinese_share: float = 0.3
    seed: int = 0

    def change_all(self, rows: Sequence[Sample]) -> list[Sample | VL2Error]:
        """Return each row with a second picture, or why there is none."""
        targets = [self._targets(row) for row in rows]
        return [self._attempt(rows, targets, number) for number in range(len(rows))]

    def _targets(self, row: Sample) -> list[Target]:
        try:
            objects = [item for item in row.objects if item.image == 0 and item.kind in self.kinds]
            return targets_of(objects, size_of(row, 0), most_boxes=16)
        except VL2Error:
            return []

    def _attempt(self, rows: Sequence[Sample], targets: Sequence[list[Target]], number: int) -> Sample | VL2Error:
        first, dice = rows[number], dice_of(rows[number], "in_context", self.seed)
        names = Names(load_kinds())
        own = [target.label for target in targets[number]]
        for step in range(1, len(rows)):
            other = (number + step) % len(rows)
            if rows[other].provenance["images"] == first.provenance["images"]:
                continue
            shared = [target for target in targets[other] if target.label in own and _is_alone(target, targets[other],
                                                                                               names)]  # fmt: skip
            if shared:
                try:
                    return self._pair(first, rows[other], dice.choice(shared), dice)
                except VL2Error as error:
                    return error
        return RowError("no other picture of its block shows just one of the same kind")

    def _pair(self, first: Sample, second: Sample, target: Target, dice: random.Random) -> Sample:
        boxes = [item.box for item in first.objects if item.image == 0 and item.label.strip() == target.label]
        box: Corners = dice.choice(boxes)
        image = open_image(first.images[0])
        shape, colour = dice.choice(self.shapes), dice.choice(visible_colours(image, box))
        shown = to_source(draw_mark(image, shape, colour, box, (), dice), first.images[0])
        language = pick_language(dice, self.chinese_share)
        query = OBJECT[language].format(phrase_of(shape, colour, language))
        question = GROUNDING + say("in_context", language, dice, query)
        label = chinese_of(target.label, second, Names(load_kinds())) if language == "zh" else None
        found = [item for item in second.objects if item.image == 0 and item.label.strip() == target.label]
        marked = [item for item in first.objects if item.image == 0 and item.box == box]
        return checked(replace(
            first, images=(shown, second.images[0]), answers=(),
            messages=(
                Message("user", (ImagePart(), TextPart("\n"), ImagePart(), TextPart("\n" + question))),
                Message("assistant", (BoxesPart(label or target.label, target.boxes),)),
            ),
            objects=(*marked, *(replace(item, image=1) for item in found)),
            provenance={
                **first.provenance, "parents": [*first.provenance["parents"], second.id],
                "licence": _joined(first, second), "marks": [{"object": 0, "shape": shape, "colour": colour}],
            },
        ))  # fmt: skip


def _is_alone(target: Target, others: Sequence[Target], names: Names) -> bool:
    """Tell whether nothing else in the picture is of the kind: the marked one tells its kind, not its name."""
    if len(target.boxes) > 1:
        return False
    own = names.kinds.read(target.label).kinds
    rivals = [other for other in others if other is not target]
    return not any(
        names.may_be_same(target.label, other.label) or own & names.kinds.read(other.label).kinds for other in rivals
    )


def _joined(first: Sample, second: Sample) -> str:
    """Return the terms of both rows."""
    terms = dict.fromkeys((str(first.provenance["licence"]), str(second.provenance["licence"])))
    return " AND ".join(terms)
