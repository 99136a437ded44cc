"""Loaders: the rows of a task from the files that people have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vl2.core.errors import VL2Error
from vl2.evaluation.loaders.json_lines import first_record, read_jsonl
from vl2.evaluation.loaders.parquet import read_parquet
from vl2.evaluation.loaders.shards import read_shards
from vl2.evaluation.loaders.tsv import read_tsv
from vl2.evaluation.row import Row

if TYPE_CHECKING:
    from vl2.evaluation.task import Format, Record, Task

Reader = Callable[[Path, str], Iterator["Record"]]
READERS: dict[str, Reader] = {
    "parquet": read_parquet, "tsv": read_tsv, "grounding-jsonl": read_jsonl, "jsonl": read_jsonl,
    "shards": read_shards,
}  # fmt: skip


def open_rows(task: Task, path: Path, *, split: str = "", format: Format | None = None) -> Iterator[Row]:
    """Yield the rows of a task as they are read; images stay undecoded. Raises VL2Error.

    `format` None is told by the name of the file. A row whose columns are not those of the task ends the reading.
    """
    chosen = format or guess_format(path)
    if chosen not in task.rows:
        raise VL2Error(
            str(path), f"{task.name} is not read from this format", got=chosen, expected=", ".join(task.rows)
        )
    for number, record in enumerate(READERS[chosen](path, split), start=1):
        try:
            yield from task.rows[chosen](record)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
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
