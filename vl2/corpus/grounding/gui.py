"""GUI: where on a screen an element is, by its name or by what is to be done."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vl2.core.sample import BoxesPart, Part, Sample, TextPart
from vl2.corpus.filters.language import main_language
from vl2.corpus.grounding.targets import Target, checked, is_plain, size_of, targets_of
from vl2.corpus.grounding.turns import converse
from vl2.corpus.grounding.wording import Language, ask_for, say
from vl2.corpus.rewriting import dice_of
from vl2.data.faults import RowError


@dataclass(frozen=True, kw_only=True)
class LocateElements:
    """Elements are objects; `instruction` of provenance, where there is one, is what the first of them does."""

    kinds: tuple[str, ...] = ("object", "element")
    queries: int = 4
    seed: int = 0

    def change(self, sample: Sample) -> Sample:
        """Return the row as a conversation about a screenshot. Raises RowError when nothing can be asked."""
        dice = dice_of(sample, "gui", self.seed)
        elements = [item for item in sample.objects if item.image == 0 and item.kind in self.kinds]
        # a name that two elements share does not tell which one is meant
        targets = targets_of(elements, size_of(sample, 0), most_boxes=1)
        instruction = sample.provenance.get("instruction")
        turns: list[tuple[tuple[Part, ...], Target]] = []
        if isinstance(instruction, str) and elements and is_plain(instruction):
            meant = [target for target in targets if target.label == elements[0].label.strip()]
            turns += [((TextPart(say("instruction", _language(instruction), dice, instruction)),), t) for t in meant]
        others = [target for target in targets if all(target is not used for _, used in turns)]
        for target in dice.sample(others, min(len(others), self.queries - len(turns))):
            turns.append((ask_for("element", _language(target.label), dice, target.label), target))
        if not turns:
            raise RowError("no element that can be asked for")
        shown = [(question, (BoxesPart(target.label, target.boxes),)) for question, target in turns]
        dice.shuffle(shown)
        objects = tuple(item for item in sample.objects if item.image == 0)
        return checked(replace(sample, messages=converse(shown), images=sample.images[:1], answers=(), objects=objects))


def _language(text: str) -> Language:
    return "zh" if main_language(text) == "zh" else "en"
