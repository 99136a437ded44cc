"""Look: what a report shows of a run, gathered in one pass over its last rows; memory does not grow with them."""

from __future__ import annotations

import heapq
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vl2.core.sample import Sample
from vl2.corpus.facts import OTHERS, count_name, fate_of, key_of, language_of
from vl2.corpus.manifest import LOCK, MANIFEST, RECEIPTS, Passed, read_manifest
from vl2.corpus.spread import Spread
from vl2.corpus.step import is_kept
from vl2.corpus.stored import StoredRun, open_run, read_row, walk

MOST_FIELDS = 200  # of quality
TOKENS = "tokens."
TEXT_TOKENS = "text"  # the tokens of rows without pictures
_BESIDE = (MANIFEST, RECEIPTS, LOCK)  # what is ours in the folder of a format


@dataclass
class Shown:
    """A few rows of one fate, chosen by the hash of their ids: the same rows in every report."""

    most: int
    places: list[tuple[int, int, int]] = field(default_factory=list)  # the hash below zero, block, offset

    def offer(self, key: int, block: int, offset: int) -> None:
        """Keep the place of a row when its hash is among the smallest."""
        if self.most:
            heapq.heappush(self.places, (-key, block, offset))
            if len(self.places) > self.most:
                heapq.heappop(self.places)


@dataclass
class Fields:
    """How the values of one field lie in kept and in rejected rows."""

    kept: Spread = field(default_factory=Spread)
    rejected: Spread = field(default_factory=Spread)


@dataclass
class Look:
    """Everything that a report shows of a run."""

    run: StoredRun
    funnel: list[Passed] = field(default_factory=list)  # summed over blocks
    skipped: Counter[str] = field(default_factory=Counter)
    num_rows: int = 0
    num_kept: int = 0
    num_pictures: int = 0  # of kept rows
    tokens: Counter[str] = field(default_factory=Counter)  # of kept rows that have been counted, and their tiles
    quality: dict[str, Fields] = field(default_factory=dict)
    licences: Counter[tuple[str, str]] = field(default_factory=Counter)  # of kept rows, with their source
    languages: Counter[str] = field(default_factory=Counter)  # of kept rows
    fates: Counter[str] = field(default_factory=Counter)  # of all rows
    shown: dict[str, Shown] = field(default_factory=dict)  # by fate
    formats: dict[str, tuple[int, int]] = field(default_factory=dict)  # files and bytes

    def samples(self, fate: str) -> Iterator[Sample]:
        """Read the rows of one fate that are shown, by their hash."""
        for _, block, offset in sorted(self.shown[fate].places, reverse=True):
            yield read_row(self.run.shard(block), offset)


def look_at(folder: Path, num_shown: int) -> Look:
    """Read a finished run. Raises VL2Error when it is none."""
    look = Look(open_run(folder))
    for stage in look.run.stages:
        look.funnel += sum_steps(stage, look.skipped)
    for receipt in look.run.blocks():
        for offset, sample in walk(look.run.shard(receipt.block)):
            _count_row(look, sample, receipt.block, offset, num_shown)
    for name in look.run.recipe["write"]:
        next(read_manifest(folder / name), None)  # raises where it is not finished
        sizes = list(_sum_files(folder / name, 0))
        look.formats[name] = (sum(number for number, _ in sizes), sum(size for _, size in sizes))
    return look


def sum_steps(stage: Path, skipped: Counter[str]) -> list[Passed]:
    """Return what each step of a stage did to all rows; count those that could not be read in `skipped`."""
    sums: list[tuple[str, int, Counter[str]]] = []
    kept: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for receipt in read_manifest(stage):
        for reason, number in receipt.skipped.items():
            count_name(skipped, reason, number)
        for number, passed in enumerate(receipt.steps):
            if number == len(sums):
                sums.append((passed.step, passed.version, Counter()))
            for reason, times in passed.reasons.items():
                count_name(sums[number][2], reason, times)
            kept[number][0] += passed.kept_before
            kept[number][1] += passed.kept
    return [
        Passed(step=step, version=version, kept_before=kept[n][0], kept=kept[n][1], reasons=dict(reasons.most_common()))
        for n, (step, version, reasons) in enumerate(sums)
    ]


def _count_row(look: Look, sample: Sample, block: int, offset: int, num_shown: int) -> None:
    kept, key = is_kept(sample), key_of(sample.id)
    look.num_rows += 1
    for name, value in sample.quality.items():
        if name in look.quality or len(look.quality) < MOST_FIELDS:
            fields = look.quality.setdefault(name, Fields())
            (fields.kept if kept else fields.rejected).offer(key, value)
    fate = fate_of(sample)
    count_name(look.fates, fate)
    if fate in look.fates:
        look.shown.setdefault(fate, Shown(num_shown)).offer(key, block, offset)
    if kept:
        _count_kept(look, sample)


def _count_kept(look: Look, sample: Sample) -> None:
    look.num_kept += 1
    look.num_pictures += len(sample.images)
    terms = str(sample.provenance["licence"]), str(sample.provenance["source"])
    count_name(look.licences, terms, others=(OTHERS, OTHERS))
    look.languages[language_of(sample)] += 1
    for name, value in sample.quality.items():
        if name.startswith(TOKENS):
            count_name(look.tokens, name.removeprefix(TOKENS), round(value))
    if not sample.images and f"{TOKENS}all" in sample.quality:
        look.tokens[TEXT_TOKENS] += round(sample.quality[f"{TOKENS}all"])


def _sum_files(folder: Path, depth: int) -> Iterator[tuple[int, int]]:
    """Yield how many files each folder of a format holds, and their bytes; names are not kept."""
    number = size = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if depth or entry.name not in _BESIDE:
                    yield from _sum_files(Path(entry.path), depth + 1)
            elif depth or entry.name not in _BESIDE:
                number, size = number + 1, size + entry.stat(follow_symlinks=False).st_size
    yield number, size
