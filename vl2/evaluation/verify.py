"""Verify: what a benchmark file holds, held against what is known of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from vl2.data.records.files import is_file
from vl2.evaluation.loaders import READERS, guess_format, open_rows
from vl2.evaluation.loaders.hub import hub_folder
from vl2.evaluation.row import Row
from vl2.evaluation.task import Format, Task

HASHED_BYTES = 1 << 20  # at a time
# VLMEvalKit's own check sums of its tables.
TABLES = {
    "DocVQA_VAL": "d5ee77e1926ff10690d469c56b73eabf", "DocVQA_TEST": "6a2f28cac26ef2d3447374e8c6f6c8e9",
    "InfoVQA_VAL": "2342e9c225222f0ef4dec545ebb126fe", "InfoVQA_TEST": "df535bf51b88dc9718252c34131a6227",
    "ChartQA_TEST": "c902e0aa9be5582a7aad6dcf52734b42", "TextVQA_VAL": "b233b31f551bbf4056f2f955da3a92cd",
    "OCRBench": "e953d98a987cc6e26ef717b61260b778", "MathVista_MINI": "f199b98e178e5a2a20e7048f5dcb0464",
    "MME": "b36b43c3f09801f5d368627fb92187c3", "MMBench_DEV_EN": "b6caf1133a01c6bb705cf753bb527ed8",
    "MMBench_DEV_CN": "08b8fc3324a5ed74155350f57be69fbd", "MMBench_DEV_EN_V11": "30c05be8f2f347a50be25aa067248184",
    "MMBench_DEV_CN_V11": "593f9b5f6bea453d870a798b34ae4f37", "MMStar": "e1ecd2140806c1b1bbf54b43372efb9e",
    "RealWorldQA": "4de008f55dc4fd008ca9e15321dc44b7", "AI2D_TEST": "0f593e0d1c7df9a3d69bf1f947e71975",
    "AI2D_TEST_NO_MASK": "fd8f463634d4fe9fbd23b876e8eea5be", "MMMU_DEV_VAL": "585e8ad75e73f75dcad265dfd0417d64",
    "MMT-Bench_VAL": "8dd4b730f53dbf9c3aed90ca31c928e0", "MMT-Bench_ALL": "b273a2f4c596fe4f2605de0494cd632f",
    "RefCOCO": "f50ca356638ddac89b309311fd876a5d",
}  # fmt: skip
# Objects of the hub's RefCOCO splits in which two divisions of the data are mixed.
MIXED = {
    ("refcoco", 8811): "3811 objects of UNC and 5000 of Google",
    ("refcocog", 7573): "2573 objects of UMD and 5000 of Google",
}


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a file holds; no problems means that it is as it should be."""

    format: str
    columns: tuple[str, ...]
    num_records: int  # rows of the file
    num_rows: int  # questions: a record may hold several
    num_answered: int  # with an accepted answer
    num_missing_images: int
    md5: str  # of a single file
    problems: tuple[str, ...]


def verify(task: Task, path: Path, *, split: str = "", format: Format | None = None) -> Verification:
    """Read a benchmark file whole and hold it against what is known. Raises VL2Error when it cannot be read."""
    path = hub_folder(path, task)
    chosen = format or guess_format(path)
    records = READERS[chosen](path, split)
    columns: tuple[str, ...] = ()
    num_records = 0
    for record in records:
        columns = columns or tuple(record)
        num_records += 1
    ids: Counter[str] = Counter()
    num_answered = num_missing = num_astray = 0
    for row in open_rows(task, path, split=split, format=chosen):
        ids[row.id] += 1
        num_answered += bool(row.answers or row.box)
        num_missing += _lacks_image(row)
        num_astray += bool(row.options and row.answers) and row.answers[0] not in row.options
    md5 = _md5(path) if path.is_file() else ""
    found = Verification(
        format=chosen, columns=columns, num_records=num_records, num_rows=ids.total(), num_answered=num_answered,
        num_missing_images=num_missing, md5=md5, problems=(),
    )  # fmt: skip
    astray = [f"{num_astray} answers that are none of their options"] if num_astray else []
    problems = (*_problems(task, path, split, found), *_repeated(ids), *astray)
    return replace(found, problems=problems)


def _problems(task: Task, path: Path, split: str, found: Verification) -> Iterator[str]:
    known = TABLES.get(path.stem)
    if found.format == "tsv" and known and known != found.md5:
        yield f"MD5 is {found.md5}, VLMEvalKit's file has {known}"
    mixed = MIXED.get((task.name, found.num_records))
    if mixed:
        yield f"a mixture of two divisions ({mixed}): its score is not comparable with published ones, use the JSONL"
    if task.num_rows and not mixed and found.num_rows not in _expected(task, split):
        splits = {split: task.num_rows[split]} if split in task.num_rows else task.num_rows
        known = ", ".join(f"{name} of {task.title} has {number}" for name, number in splits.items())
        yield f"{found.num_rows} questions, {known}"
    if found.num_missing_images:
        yield f"{found.num_missing_images} questions without an image"
    if found.num_rows and not found.num_answered:
        yield "no answers: their server keeps them, the run can only be handed in"


def _expected(task: Task, split: str) -> set[int]:
    """Return the numbers of questions that a split may have; without its name, those of one or two of them."""
    numbers = list(task.num_rows.values())
    if split in task.num_rows:
        return {task.num_rows[split]}
    return {*numbers, *(one + other for one, other in combinations(numbers, 2))}


def _repeated(ids: Counter[str]) -> Iterator[str]:
    repeated = [name for name, number in ids.items() if number > 1]
    if repeated:
        yield f"{len(repeated)} names of rows occur more than once, such as {repeated[0][:60]!r}"


def _lacks_image(row: Row) -> bool:
    return not row.images or any(image.data is None and not is_file(image.path or "") for image in row.images)


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while piece := stream.read(HASHED_BYTES):
            digest.update(piece)
    return digest.hexdigest()
