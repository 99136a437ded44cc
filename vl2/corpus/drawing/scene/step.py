"""Scene: things cut out of stamps, put together on a ground, with boxes, outlines, and a caption, all of them known."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from vl2.core.errors import ConfigError
from vl2.core.sample import ImageSource, Sample, SceneObject
from vl2.corpus.drawing.scene.caption import Group, write_caption
from vl2.corpus.drawing.scene.cast import Ground, Thing, load_cast
from vl2.corpus.drawing.scene.ground import Backdrop, Size, drawn_ground, photo_ground
from vl2.corpus.drawing.scene.layout import Layout, Seen, cut_out
from vl2.corpus.drawing.scene.outline import trace
from vl2.corpus.drawing.scene.stamps import read_stamp
from vl2.corpus.grounding.kinds import load_kinds
from vl2.corpus.grounding.negatives import Names
from vl2.corpus.grounding.wording import pick_language
from vl2.corpus.grounding.wordnet import load_wordnet
from vl2.corpus.rewriting import dice_of
from vl2.corpus.sources.wordings import CAPTION, CAPTION_ZH, asked
from vl2.data.faults import RowError

SIDES = {1: 0.17, 2: 0.24, 3: 0.3, 4: 0.37, 5: 0.45}  # by the size of a thing: of the shorter side of the picture
FULL = 0.55  # of the picture: more than that the squares around all things do not take together
MOST_GROWTH = 1.5  # of all things where there are few
COUNTS, WEIGHTS = (2, 3, 4, 5, 6, 7, 8), (2, 4, 5, 5, 4, 2, 2)  # how many things, how often
SHORT_SIDES, LONGEST = (384, 640), 900
ASPECTS = (1.0, 4 / 3, 3 / 2, 16 / 9, 3 / 4, 2 / 3)
REPEATS = 0.35  # chance that the next thing is one of those that are there already
OVERLAPS, SHADOWS, MIRRORED, TURNED = 0.4, 0.6, 0.5, 0.4  # chances; the first two of a whole scene
MOST_TURN = 20.0  # degrees, of what is small; what is large stands upright
LEAST_THINGS = 2
JPEG_QUALITY = 90

Chosen = tuple[Thing, str]  # and its stamp


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where stamps and grounds lie, and what is chosen how often. A row names the stamp that is there for sure."""

    stamps: str = "/usr/share/tuxpaint/stamps"
    grounds: str | None = "/usr/share/backgrounds"
    photo_share: float = 0.55  # of scenes, on a photograph; the others on a drawn ground
    chinese_share: float = 0.4  # of captions
    wordnet: str | None = None  # the folder of WordNet's files: names that may mean the same never stand together
    seed: int = 0

    @cached_property
    def names(self) -> Names:
        """Return what is known of names."""
        return Names(load_kinds(), load_wordnet(self.wordnet) if self.wordnet else None)

    @cached_property
    def things(self) -> tuple[Chosen, ...]:
        """Return the things of which a stamp is there. Raises ConfigError without any."""
        known = [(thing, stamp) for stamp, thing in load_cast().by_stamp.items()]
        found = tuple((thing, stamp) for thing, stamp in known if (Path(self.stamps) / stamp).is_file())
        if not found:
            raise ConfigError(self.stamps, "no known stamp here", do="Install tuxpaint-stamps-default.")
        return found

    @cached_property
    def photos(self) -> tuple[Ground, ...]:
        """Return the photographs that are there."""
        if self.grounds is None:
            return ()
        return tuple(one for one in load_cast().grounds if (Path(self.grounds) / one.file).is_file())

    def change(self, sample: Sample) -> Sample:
        """Return the row with its scene, all that stands there, and a caption. Raises RowError, ImageError."""
        dice = dice_of(sample, "scene", self.seed)
        lead = sample.provenance.get("stamp")
        if not isinstance(lead, str) or lead not in load_cast().by_stamp:
            raise RowError("no stamp to begin with")
        size = _pick_size(dice)
        ground = self._pick_ground(size, dice)
        layout = Layout(ground.image)
        self._fill(layout, self._choose((load_cast().by_stamp[lead], lead), dice), size, dice)
        seen = layout.seen()
        if len(seen) < LEAST_THINGS:
            raise RowError("too few things find a place")
        picture = layout.picture(dice.random() < SHADOWS)
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=JPEG_QUALITY)
        image = ImageSource(data=stream.getvalue(), width=size[0], height=size[1])
        language = pick_language(dice, self.chinese_share)
        caption, spans = write_caption(_grouped(seen), ground, language, dice)
        told = {
            **sample.provenance, "caption": caption, "spans": spans, "label_zh": load_cast().chinese,
            "outlines": [trace(one.visible, one.box[:2]) for one in seen],
            "licence": _terms(str(sample.provenance["licence"]), ground),
        }  # fmt: skip
        objects = tuple(SceneObject(one.thing.label, one.box) for one in seen)
        said = asked(CAPTION_ZH if language == "zh" else CAPTION, caption)
        return replace(sample, messages=said, images=(image,), objects=objects, provenance=told)

    def _pick_ground(self, size: Size, dice: random.Random) -> Backdrop:
        if self.grounds is not None and self.photos and dice.random() < self.photo_share:
            return photo_ground(self.grounds, dice.choice(self.photos), size, dice)
        return drawn_ground(size, dice)

    def _choose(self, lead: Chosen, dice: random.Random) -> list[Chosen]:
        """Return what is to stand in a scene; no two labels that a viewer could take for one another."""
        chosen = [lead]
        (count,) = dice.choices(COUNTS, WEIGHTS)
        while len(chosen) < count:
            if dice.random() < REPEATS:
                thing = dice.choice(chosen)[0]
                chosen.append(dice.choice([one for one in self.things if one[0] is thing] or [lead]))
                continue
            other = dice.choice(self.things)
            if all(not self.names.may_be_same(other[0].label, thing.label) for thing, _ in chosen):
                chosen.append(other)
        return chosen

    def _fill(self, layout: Layout, chosen: Sequence[Chosen], size: Size, dice: random.Random) -> None:
        """Add the things to a layout, the large ones first, so that they stand behind the small ones."""
        factor, overlaps = _fitting(chosen, size), dice.random() < OVERLAPS
        for thing, stamp in sorted(chosen, key=lambda one: -one[0].size):
            side = SIDES[thing.size] * factor * min(size) * dice.uniform(0.85, 1.15)
            turn = dice.uniform(-MOST_TURN, MOST_TURN) if thing.size <= 2 and dice.random() < TURNED else 0.0
            mirrored = stamp not in thing.lettered and dice.random() < MIRRORED
            layout.add(cut_out(thing, read_stamp(self.stamps, stamp), side, turn, mirrored), overlaps, dice)


def _pick_size(dice: random.Random) -> Size:
    short, aspect = dice.randint(*SHORT_SIDES), dice.choice(ASPECTS)
    long = min(LONGEST, round(short * max(aspect, 1 / aspect)))
    return (long, short) if aspect >= 1 else (short, long)


def _fitting(chosen: Sequence[Chosen], size: Size) -> float:
    """Return a factor for all sides: few things are larger, and many smaller, than SIDES tells."""
    taken = sum((SIDES[thing.size] * min(size)) ** 2 for thing, _ in chosen)
    return min(MOST_GROWTH, (FULL * size[0] * size[1] / taken) ** 0.5)


def _grouped(seen: Sequence[Seen]) -> list[Group]:
    """Return the things by label, in order of the first of each."""
    by_label: dict[str, list[Seen]] = {}
    for one in seen:
        by_label.setdefault(one.thing.label, []).append(one)
    return [Group(found[0].thing, tuple(one.box for one in found)) for found in by_label.values()]


def _terms(licence: str, ground: Backdrop) -> str:
    return f"{licence} AND {ground.licence}" if ground.licence and ground.licence != licence else licence
