"""Block: neighbouring rows of one source, the unit of work, of what a worker holds and of what a kill costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.corpus.gathering import take
from vl2.corpus.ingest import ingest
from vl2.corpus.manifest import Passed, Receipt, Written, count, read_written, write_receipt, write_whole
from vl2.corpus.recipe import Recipe, Stage, stages_of
from vl2.corpus.source import Source
from vl2.corpus.sources.table import open_source
from vl2.corpus.step import Batch, Step, count_kept, is_kept
from vl2.corpus.tar import pack, unpack
from vl2.corpus.verdict import apply_verdict
from vl2.corpus.write import FORMATS
from vl2.data.faults import Fault, fault_of
from vl2.data.records import RecordList


@dataclass(frozen=True)
class Span:
    """Rows `first` up to `stop` of the recipe's source of that number."""

    source: int
    first: int
    stop: int


@dataclass(frozen=True, kw_only=True)
class Cut:
    """How sources are cut into blocks: as small for a billion rows as for ten."""

    num_rows: tuple[int, ...]  # of each source
    block_rows: int

    def __len__(self) -> int:
        return sum(map(self._num_blocks, self.num_rows))

    def span(self, block: int) -> Span:
        """Return the rows of a block."""
        for source, num_rows in enumerate(self.num_rows):
            num_blocks = self._num_blocks(num_rows)
            if block < num_blocks:
                first = block * self.block_rows
                return Span(source, first, min(first + self.block_rows, num_rows))
            block -= num_blocks
        raise IndexError(block)

    def _num_blocks(self, num_rows: int) -> int:
        return -(-num_rows // self.block_rows)


@dataclass(frozen=True)
class StageWork:
    """One stage, block by block: what an executor runs, on any machine that sees the folders."""

    recipe: Recipe
    stage: int
    cut: Cut

    @property
    def folder(self) -> Path:
        """Return where the blocks of this stage lie."""
        return stage_folder(self.recipe, self.stage)

    def __call__(self, block: int) -> int:
        """Read a block, run the steps, write what came out and then the receipt; return the number of rows."""
        stage, steps = _stage(self.recipe, self.stage)
        batch, first, skipped = self._read(stage, block)
        passed = [first]
        for step in steps:
            after = step.run(batch)
            passed.append(_compare(step.name, step.version, batch, after))
            batch = after
        files = [write_whole(self.folder / shard_name(block), pack(batch))]
        if stage.closing is not None:
            taken = take(stage.closing.gathering, stage.closing.settings, batch)
            files.append(write_whole(self.folder / taken_name(block), taken))
        _finish(self.folder, block, batch, files, passed, skipped)
        return len(batch)

    def _read(self, stage: Stage, block: int) -> tuple[Batch, Passed, dict[str, int]]:
        """Return a block's rows, what its first step did to them, and the rows that could not be read."""
        if stage.opening is None:
            span = self.cut.span(block)
            source = self.recipe.sources[span.source]
            records = _open(source)
            rows = list(records.between(span.first, span.stop))
            taken = [row if isinstance(row, Fault) else _ingest(row, source) for row in rows]
            pairs = [
                (old, new)
                for old, new in zip(rows, taken, strict=True)
                if isinstance(old, Sample) and isinstance(new, Sample)
            ]
            batch = [new for _, new in pairs]
            faults = [row.reason for row in taken if isinstance(row, Fault)]
            return batch, _compare("ingest", 1, [old for old, _ in pairs], batch), count(faults)
        before = stage_folder(self.recipe, self.stage - 1)
        rows = unpack(read_written(before, block, shard_name(block)))
        kind = stage.opening.kind
        batch = apply_verdict(before, block, rows, kind.name)
        return batch, _compare(kind.name, kind.version, rows, batch), {}


@dataclass(frozen=True)
class WriteWork:
    """The kept rows in one format, a shard a block."""

    recipe: Recipe
    format: str

    @property
    def folder(self) -> Path:
        """Return where the shards of this format lie."""
        return Path(self.recipe.out) / self.format

    def __call__(self, block: int) -> int:
        """Write one shard and its receipt; return the number of rows."""
        last = stage_folder(self.recipe, len(stages_of(self.recipe)) - 1)
        rows = unpack(read_written(last, block, shard_name(block)))
        files, faults = FORMATS[self.format](list(filter(is_kept, rows)), self.folder, f"{block:08d}")
        _finish(self.folder, block, rows, files, [], count(faults))
        return len(rows)


Work = StageWork | WriteWork


def plan(recipe: Recipe) -> Cut:
    """Look how many rows each source has. Raises VL2Error on a source that is not there."""
    rows = tuple(len(_open(source)) for source in recipe.sources)
    return Cut(num_rows=rows, block_rows=recipe.block_rows)


def stage_folder(recipe: Recipe, stage: int) -> Path:
    """Return where the blocks of a stage lie."""
    return Path(recipe.out) / f"stage-{stage}"


def shard_name(block: int) -> str:
    """Return the name of a block's rows."""
    return f"{block:08d}.tar"


def taken_name(block: int) -> str:
    """Return the name of what the step at the end of a stage takes of a block."""
    return f"{block:08d}.npz"


@lru_cache(maxsize=8)  # of this process: files are scanned once, not once a block
def _open(source: Source) -> RecordList:
    return open_source(source)


def _ingest(row: Sample, source: Source) -> Sample | Fault:
    try:
        return ingest(row, source)
    except VL2Error as error:
        return fault_of(error)


_built: dict[tuple[str, int], tuple[Stage, list[Step]]] = {}  # of this process: benchmarks are read once


def _stage(recipe: Recipe, number: int) -> tuple[Stage, list[Step]]:
    key = (recipe.fingerprint(), number)
    if key not in _built:
        stage = stages_of(recipe)[number]
        _built[key] = (stage, stage.build_steps())
    return _built[key]


def _compare(step: str, version: int, before: Batch, after: Batch) -> Passed:
    rejected = Counter(
        str(new.decision["reason"]) for old, new in zip(before, after, strict=True) if is_kept(old) and not is_kept(new)
    )
    return Passed(
        step=step, version=version, kept_before=count_kept(before), kept=count_kept(after),
        reasons=dict(sorted(rejected.items())),
    )  # fmt: skip


def _finish(folder: Path, block: int, batch: Batch, files: Sequence[Written], passed: Sequence[Passed],
            skipped: dict[str, int]) -> None:  # fmt: skip
    receipt = Receipt(
        block=block, num_rows=len(batch), num_kept=count_kept(batch), files=tuple(files), steps=tuple(passed),
        skipped=skipped,
    )  # fmt: skip
    write_receipt(folder, receipt)
