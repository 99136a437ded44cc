"""Verdict: what a step that saw all blocks says of each, as one small file a block, all of them or none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from vl2.core.sample import Sample
from vl2.corpus.gathering import Refusal
from vl2.corpus.manifest import INCOMPLETE, to_line
from vl2.corpus.step import reject

VERDICT = "verdict"


def is_judged(folder: Path) -> bool:
    """Tell whether the blocks of a stage have their verdict."""
    return (folder / VERDICT).is_dir()


def write_verdict(folder: Path, refusals: Iterable[Refusal]) -> None:
    """Write the refusals of all blocks; they appear together."""
    part = folder / f"{VERDICT}{INCOMPLETE}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for block, found in groupby(refusals, key=lambda refusal: refusal.block):  # they come in the order of blocks
        rows = [[refusal.row, refusal.reason, refusal.because_of] for refusal in found]
        (part / _name(block)).write_bytes(to_line(sorted(rows)))
    part.rename(folder / VERDICT)


def apply_verdict(folder: Path, block: int, batch: Sequence[Sample], step: str) -> list[Sample]:
    """Return the rows of a block, those that are refused rejected with the reason and the id that it is about."""
    path = folder / VERDICT / _name(block)
    judged = list(batch)
    for row, reason, because_of in json.loads(path.read_bytes()) if path.exists() else ():
        judged[row] = reject(judged[row], step, reason, because_of=because_of)
    return judged


def _name(block: int) -> str:
    return f"{block:08d}.json"
