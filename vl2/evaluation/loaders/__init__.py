"""Loaders: the rows of a task from the files that people have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vl2.core.errors import VL2Error
from vl2.evaluation.loaders.hub import hub_folder
from vl2.evaluation.loaders.json_lines import first_record, read_jsonl
from vl2.evaluation.loaders.parquet import read_parquet
from vl2.evaluation.loaders.shards import read_shards
from vl2.evaluation.loaders.tsv import read_tsv
from vl2.evaluation.row import Row

if TYPE_CHECKING:
    from vl2.evaluation.task import Format, Record, Task

Reader = Callable[[Path, str], Iterator["Record"]]  # of the path and a split that has files of its own
READERS: dict[str, Reader] = {
    "parquet": read_parquet, "shards": read_shards, "tsv": lambda path, _: read_tsv(path),
    "grounding-jsonl": lambda path, _: read_jsonl(path), "jsonl": lambda path, _: read_jsonl(path),
}  # fmt: skip
SPLIT_IN_ROWS = ("tsv", "grounding-jsonl", "jsonl")  # one file, whose rows may say which split they are of
UNFIT = (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError)  # values of another kind


def open_rows(task: Task, path: Path, *, split: str = "", format: Format | None = None) -> Iterator[Row]:
    """Yield the rows of a task as they are read; images stay undecoded. Raises VL2Error.

    `format` None is told by the name of the file. A row whose columns are not those of the task ends the reading.
    """
    path = hub_folder(path, task)
    chosen = format or guess_format(path)
    if chosen not in task.rows:
        raise VL2Error(
            str(path), f"{task.name} is not read from this format", got=chosen, expected=", ".join(task.rows)
        )
    rows = _rows(task, path, split, chosen)
    if not split or chosen not in SPLIT_IN_ROWS:
        yield from (row for row, _ in rows)
        return
    others: set[str] = set()
    is_there = False
    for row, own in rows:
        if own and own.lower() != split.lower():
            others.add(own)
            continue
        is_there = True
        yield row
    if others and not is_there:
        raise VL2Error(str(path), f"holds no row of split {split!r}", got=", ".join(sorted(others))[:160],
                       do="Choose one with --split.")  # fmt: skip


def _rows(task: Task, path: Path, split: str, format: Format) -> Iterator[tuple[Row, str]]:
    """Yield the rows of a file, each with the split that it says it is of."""
    for number, record in enumerate(READERS[format](path, split), start=1):
        try:
            for row in task.rows[format](record):
                yield row, str((row.fields if "split" in row.fields else record).get("split") or "")
        except UNFIT as error:
            raise VL2Error(
                f"{path.name}, row {number}", f"does not fit {task.name}: {type(error).__name__} {error}"[:160],
                got=", ".join(record)[:160], do="Check the file with `vl2 eval data verify`.",
            ) from None  # fmt: skip


def guess_format(path: Path) -> Format:
    """Return the format of a file or folder by its name. Raises VL2Error when it cannot be told."""
    if not path.exists():
        raise VL2Error(str(path), "no such file or folder", do="Check --data.")
    if path.suffix == ".tsv" or (path.is_dir() and any(path.glob("*.tsv"))):
        return "tsv"
    if path.suffix == ".parquet" or (path.is_dir() and next(path.rglob("*.parquet"), None)):
        return "parquet"
    if path.is_dir() and next(path.glob("*/*.tar"), None):
        return "shards"
    if path.suffix == ".jsonl":
        return "grounding-jsonl" if "sent" in first_record(path) else "jsonl"
    raise VL2Error(str(path), "unknown format", expected=".parquet, .tsv, .jsonl, or a folder of Parquet or shards")
