"""Verdict: what a step that saw all blocks says of each, as one small file a block, all of them or none."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

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
    by_block: dict[int, list[list[Any]]] = defaultdict(list)
    for refusal in refusals:
        by_block[refusal.block].append([refusal.row, refusal.reason, refusal.because_of])
    for block, rows in by_block.items():
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
