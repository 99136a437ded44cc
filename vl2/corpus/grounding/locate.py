"""Locate: where is this in the image? Boxes for what is there, one plain sentence for what is not (section 3.2)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from vl2.core.errors import ConfigError
from vl2.core.sample import BoxesPart, Sample, TextPart
from vl2.corpus.grounding.kinds import load_kinds
from vl2.corpus.grounding.negatives import Names, absent_names, crossed_names
from vl2.corpus.grounding.targets import Target, checked, is_plain, size_of, targets_of
from vl2.corpus.grounding.turns import Turn, converse
from vl2.corpus.grounding.wording import Language, ask_for, pick_language, say
from vl2.corpus.grounding.wordnet import load_wordnet
from vl2.corpus.rewriting import dice_of
from vl2.data.faults import RowError

COCO = "coco"


@dataclass(frozen=True, kw_only=True)
class Locate:
    """What is asked of each image; a conversation of one turn a query."""

    kinds: tuple[str, ...] = ("object", "shape")  # of the objects that are asked for
    queries: int = 4  # of an image, those for absent things with them
    most_boxes: int = 16  # of one answer; labels with more are not asked for
    chinese_share: float = 0.3  # of queries with a known Chinese name
    absent_share: float = 0.25  # of queries; only where all objects of the classes are labelled
    classes: tuple[str, ...] = ()  # that the source labels everywhere: names, `coco`, or a file of a name a line
    crossed: bool = False  # also ask for colours and shapes of the image put together anew
    wordnet: str | None = None  # the folder of WordNet's files
    seed: int = 0

    @cached_property
    def names(self) -> Names:
        """Return what is known of names."""
        return Names(load_kinds(), load_wordnet(self.wordnet) if self.wordnet else None)

    @cached_property
    def candidates(self) -> tuple[str, ...]:
        """Return the classes that may be asked for where they are absent. Raises ConfigError."""
        return tuple(name for told in self.classes for name in _expand(told, self.names))

    def change(self, sample: Sample) -> Sample:
        """Return the row as a conversation about its first image. Raises RowError when nothing can be asked."""
        dice = dice_of(sample, "locate", self.seed)
        objects = [item for item in sample.objects if item.image == 0]
        asked = [item for item in objects if item.kind in self.kinds]
        targets = targets_of(asked, size_of(sample, 0), self.most_boxes)
        turns = [self._present(target, sample, dice) for target in dice.sample(targets, len(targets))]
        absent = self._absent([item.label for item in objects], dice)
        num_absent = min(len(absent), sum(dice.random() < self.absent_share for _ in range(self.queries)))
        turns = turns[: self.queries - num_absent]
        turns += [self._denied(name, sample, dice) for name in absent[:num_absent]]
        if not turns:
            raise RowError("no object that can be asked for")
        dice.shuffle(turns)
        return checked(replace(sample, messages=converse(turns), images=sample.images[:1],
                               objects=tuple(objects), answers=()))  # fmt: skip

    def _absent(self, present: Sequence[str], dice: random.Random) -> list[str]:
        crossed = crossed_names(present, self.names) if self.crossed else []
        found = absent_names(present, crossed, self.names), absent_names(present, self.candidates, self.names)
        return [name for names in found for name in dice.sample(names, len(names))]  # the hardest first

    def _present(self, target: Target, sample: Sample, dice: random.Random) -> Turn:
        label, language = _called(target.label, sample, dice, self)
        return ask_for("locate", language, dice, label), (BoxesPart(label, target.boxes),)

    def _denied(self, name: str, sample: Sample, dice: random.Random) -> Turn:
        label, language = _called(name, sample, dice, self)
        return ask_for("locate", language, dice, label), (TextPart(say("absent", language, dice, label)),)


def chinese_of(label: str, sample: Sample, names: Names) -> str | None:
    """Return the Chinese name of a label, from its row (`label_zh` of provenance) or from our table."""
    told = sample.provenance.get("label_zh")
    found = told.get(label) if isinstance(told, dict) else None
    if isinstance(found, str) and is_plain(found):
        return found
    return names.kinds.chinese(label)


def _called(label: str, sample: Sample, dice: random.Random, settings: Locate) -> tuple[str, Language]:
    """Return the label in the language that is asked in."""
    if pick_language(dice, settings.chinese_share) == "zh":
        chinese = chinese_of(label, sample, settings.names)
        if chinese is not None:
            return chinese, "zh"
    return label, "en"


def _expand(told: str, names: Names) -> tuple[str, ...]:
    if told == COCO:
        return names.kinds.coco
    if not told.endswith(".txt"):
        return (told,)
    try:
        lines = Path(told).read_text(encoding="utf-8").splitlines()
    except OSError:
        raise ConfigError(told, "no file of classes here", expected="a name a line") from None
    return tuple(line.strip() for line in lines if line.strip())
