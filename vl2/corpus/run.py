"""Run: a recipe from its sources to its shards, stage by stage. What is finished is never done again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from vl2.core.errors import VL2Error
from vl2.corpus.block import Cut, StageWork, Work, WriteWork, plan, taken_name
from vl2.corpus.gathering import Gathered
from vl2.corpus.manifest import (
    RECEIPTS,
    Receipt,
    clear_incomplete,
    has_manifest,
    is_finished,
    locked,
    read_receipt,
    to_line,
    write_manifest,
    write_receipt,
    write_whole,
)
from vl2.corpus.recipe import Gather, Recipe, stages_of
from vl2.corpus.run_local import Executor
from vl2.corpus.verdict import is_judged, write_verdict
from vl2.corpus.write import CLOSINGS

PIN = "recipe.json"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands: blocks done and in all, and rows since it was started."""

    name: str
    num_done: int
    num_blocks: int
    num_rows: int
    seconds: float
    num_done_here: int

    @property
    def rows_per_s(self) -> float:
        """Return the rate since the start of this part."""
        return self.num_rows / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float:
        """Return how long the rest of this part takes at this rate."""
        return (self.num_blocks - self.num_done) * self.seconds / self.num_done_here if self.num_done_here else 0.0


Show = Callable[[Progress], None]


def run_recipe(recipe: Recipe, executor: Executor, show: Show) -> Path:
    """Build the corpus; return its folder. Raises VL2Error when the folder holds another one."""
    out = Path(recipe.out)
    with locked(out):
        cut = plan(recipe)
        _pin(out, recipe, cut)
        clear_incomplete(out)
        for number, stage in enumerate(stages_of(recipe)):
            work = StageWork(recipe, number, cut)
            _do_all(work, len(cut), executor, show)
            if stage.closing is not None and not is_judged(work.folder):
                _judge(work.folder, len(cut), stage.closing)
        for name in recipe.write:
            _do_all(WriteWork(recipe, name), len(cut), executor, show)
    return out


def _do_all(work: Work, num_blocks: int, executor: Executor, show: Show) -> None:
    """Do the blocks that have no receipt, then what their format needs beside them, then the manifest."""
    if has_manifest(work.folder):
        return
    (work.folder / RECEIPTS).mkdir(parents=True, exist_ok=True)
    left = [block for block in range(num_blocks) if not is_finished(work.folder, block)]
    started, num_rows = time.monotonic(), 0
    for number, rows in enumerate(executor.run(work, left), 1):
        num_rows += rows
        show(
            Progress(
                name=work.folder.name, num_done=num_blocks - len(left) + number, num_blocks=num_blocks,
                num_rows=num_rows, seconds=time.monotonic() - started, num_done_here=number,
            )
        )  # fmt: skip
    write_manifest(work.folder, num_blocks + _close(work, num_blocks))


def _close(work: Work, num_blocks: int) -> int:
    """Write what a format needs beside its shards, with a receipt as of a block; return how many receipts that is."""
    if not isinstance(work, WriteWork) or work.format not in CLOSINGS:
        return 0
    if is_finished(work.folder, num_blocks):
        return 1
    shards = (file for block in range(num_blocks) for file in read_receipt(work.folder, block).files)
    files = tuple(CLOSINGS[work.format](work.folder, shards))
    write_receipt(work.folder, Receipt(block=num_blocks, num_rows=0, num_kept=0, files=files, skipped={}))
    return 1


def _judge(folder: Path, num_blocks: int, gather: Gather) -> None:
    gathered = Gathered([folder / taken_name(block) for block in range(num_blocks)])
    write_verdict(folder, gather.gathering.refuse(gathered, gather.settings))


def _pin(out: Path, recipe: Recipe, cut: Cut) -> None:
    """Write down what is built here, or compare it with what was."""
    values = {name: value for name, value in asdict(recipe).items() if name != "out"}
    told = to_line({"recipe": values, "fingerprint": recipe.fingerprint(), "rows": cut.num_rows})
    path = out / PIN
    if not path.exists():
        write_whole(path, told)
    elif path.read_bytes() != told:
        raise VL2Error(
            str(out), "holds a corpus of another recipe, or its sources have changed",
            do="Set another out, or remove the folder.",
        )  # fmt: skip
