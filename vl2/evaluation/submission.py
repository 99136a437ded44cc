"""Files that the official servers take: answers of splits whose gold answers nobody else has."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vl2.core.errors import VL2Error
from vl2.evaluation.job import Job
from vl2.evaluation.log import read_answers, write_whole
from vl2.evaluation.manifest import read_manifest
from vl2.evaluation.metrics.mathvista import Form, extract
from vl2.evaluation.metrics.mmmu import read_choice
from vl2.evaluation.metrics.options import read_option
from vl2.evaluation.plan import make_plan
from vl2.evaluation.row import Row


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A row and what was said to it, cleaned as it is before it is scored."""

    row: Row
    said: str


Writer = Callable[[Sequence[Answered]], str]


def write_submission(folder: Path, job: Job, out: Path) -> int:
    """Write the answers of a run for the server of its benchmark. Returns their number.

    Raises VL2Error when the benchmark has no server, or an answer is missing: a file with holes would be refused there.
    """
    if job.task.name not in WRITERS:
        raise VL2Error("submission", f"{job.task.title} has no server", expected=", ".join(WRITERS))
    rows = list(answered(folder, job))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, WRITERS[job.task.name](rows).encode())
    return len(rows)


def answered(folder: Path, job: Job) -> Iterator[Answered]:
    """Yield every row with its answer. Raises VL2Error when one is missing."""
    answers = read_answers(folder)
    for planned in make_plan(job, read_manifest(folder).identity):
        line = answers.get(planned.key)
        if line is None or line.error:
            raise VL2Error(f"row {planned.row.id}", "has no answer", got=line.error[:80] if line else "nothing",
                           do="Go on with `vl2 eval run` first.")  # fmt: skip
        yield Answered(row=planned.row, said=job.rule.clean(line.said))


def _numbered(name: str, is_number: bool) -> Writer:
    """Return a writer of [{name: id, "answer": text}], as two of the servers take it."""

    def write(rows: Sequence[Answered]) -> str:
        listed = [{name: int(one.row.id) if is_number else one.row.id, "answer": one.said} for one in rows]
        return json.dumps(listed, ensure_ascii=False) + "\n"

    return write


def _mmmu(rows: Sequence[Answered]) -> str:
    """Return {id: letter or text}."""
    found = {one.row.id: read_choice(one.said, one.row.options) if one.row.options else one.said for one in rows}
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


def _mathvista(rows: Sequence[Answered]) -> str:
    """Return {pid: {response, extraction}}."""
    names = ("question_type", "answer_type", "precision", "choices")
    found = {
        one.row.id: {
            "response": one.said,
            "extraction": extract(one.said, Form(**{name: one.row.fields[name] for name in names})),
        }
        for one in rows
    }
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


def _mmbench(rows: Sequence[Answered]) -> str:
    """Return a table of every rotation with its options and the letter that was read; the server wants it as xlsx."""
    letters = ("A", "B", "C", "D")
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
    writer.writerow(("index", "question", *letters, "prediction", "category", "l2-category"))
    for one in rows:
        options = [one.row.options.get(letter, "") for letter in letters]
        letter = read_option(one.said, one.row.options) or one.said
        level = one.row.fields.get("l2-category", "")
        writer.writerow((one.row.id, one.row.question, *options, letter, one.row.category, level))
    return stream.getvalue()


WRITERS: dict[str, Writer] = {
    "docvqa": _numbered("questionId", is_number=True),
    "infovqa": _numbered("questionId", is_number=True),
    "textvqa": _numbered("question_id", is_number=True),
    "mmmu": _mmmu,
    "mathvista": _mathvista,
    **dict.fromkeys(("mmbench_en", "mmbench_cn", "mmbench_v11_en", "mmbench_v11_cn"), _mmbench),
}
