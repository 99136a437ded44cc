"""Look: what a report shows of a run, gathered in one pass over its last rows."""

from __future__ import annotations

import hashlib
import heapq
import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.corpus.block import shard_name
from vl2.corpus.manifest import Passed, read_manifest
from vl2.corpus.run import PIN
from vl2.corpus.step import is_kept
from vl2.corpus.tar import unpack

LANGUAGE = "language."  # the fields of quality that are shares of languages
KEPT = "kept"


@dataclass
class Shown:
    """A few rows of one kind, chosen by the hash of their ids: the same rows in every report."""

    most: int
    rows: list[tuple[int, int, Sample]] = field(default_factory=list)

    def offer(self, sample: Sample, place: int) -> None:
        """Keep the row when its hash is among the smallest."""
        if not self.most:
            return
        key = int.from_bytes(hashlib.blake2b(sample.id.encode(), digest_size=8).digest())
        heapq.heappush(self.rows, (-key, place, sample))
        if len(self.rows) > self.most:
            heapq.heappop(self.rows)

    def samples(self) -> list[Sample]:
        """Return the rows by hash."""
        return [sample for _, _, sample in sorted(self.rows, key=lambda row: (-row[0], row[1]))]


@dataclass
class Look:
    """Everything that a report shows."""

    recipe: dict[str, Any]
    funnel: list[Passed] = field(default_factory=list)  # summed over blocks
    skipped: Counter[str] = field(default_factory=Counter)
    num_rows: int = 0
    num_kept: int = 0
    quality: dict[str, tuple[array, array]] = field(default_factory=lambda: defaultdict(_pair))  # kept, rejected
    licences: Counter[tuple[str, str]] = field(default_factory=Counter)  # of kept rows, with their source
    languages: Counter[str] = field(default_factory=Counter)  # of kept rows, by the largest share
    shown: dict[str, Shown] = field(default_factory=dict)  # kept rows, then those of each reason
    formats: dict[str, tuple[int, int]] = field(default_factory=dict)  # shards and bytes


def look_at(run: Path, num_shown: int) -> Look:
    """Read a finished run. Raises VL2Error when it is none."""
    try:
        recipe = json.loads((run / PIN).read_bytes())["recipe"]
    except (OSError, ValueError, KeyError):
        raise VL2Error(str(run), "no corpus run here", do="Run `vl2 corpus run` first.") from None
    look = Look(recipe)
    stages = sorted(run.glob("stage-*"), key=lambda folder: int(folder.name.partition("-")[2]))
    for folder in stages:
        look.funnel += _sum_steps(folder, look.skipped)
    for place, sample in enumerate(_rows(stages[-1])):
        _count_row(look, sample, place, num_shown)
    for name in recipe["write"]:
        written = {file.name: file.bytes for receipt in read_manifest(run / name) for file in receipt.files}
        look.formats[name] = (len(written), sum(written.values()))
    return look


def _sum_steps(folder: Path, skipped: Counter[str]) -> list[Passed]:
    sums: list[tuple[str, int, Counter[str]]] = []
    kept: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for receipt in read_manifest(folder):
        skipped.update(receipt.skipped)
        for number, passed in enumerate(receipt.steps):
            if number == len(sums):
                sums.append((passed.step, passed.version, Counter()))
            sums[number][2].update(passed.reasons)
            kept[number][0] += passed.kept_before
            kept[number][1] += passed.kept
    return [
        Passed(step=step, version=version, kept_before=kept[n][0], kept=kept[n][1], reasons=dict(reasons.most_common()))
        for n, (step, version, reasons) in enumerate(sums)
    ]


def _rows(folder: Path) -> Iterator[Sample]:
    for receipt in read_manifest(folder):
        yield from unpack((folder / shard_name(receipt.block)).read_bytes())


def _count_row(look: Look, sample: Sample, place: int, num_shown: int) -> None:
    kept = is_kept(sample)
    look.num_rows += 1
    look.num_kept += kept
    for name, value in sample.quality.items():
        look.quality[name][not kept].append(value)
    kind = KEPT if kept else f"{sample.decision['step']}: {sample.decision['reason']}"
    look.shown.setdefault(kind, Shown(num_shown)).offer(sample, place)
    if kept:
        look.licences[str(sample.provenance["licence"]), str(sample.provenance["source"])] += 1
        shares = {name: value for name, value in sample.quality.items() if name.startswith(LANGUAGE) and value > 0}
        if shares:
            look.languages[max(shares, key=lambda name: shares[name]).removeprefix(LANGUAGE)] += 1


def _pair() -> tuple[array, array]:
    return array("f"), array("f")
