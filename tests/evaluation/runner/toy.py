"""A small benchmark of drawn pictures, in a folder: what the runner runs in these tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from vl2.core.sample import ImagePart, ImageSource, Message, Sample, TextPart
from vl2.corpus.pocket.draw import draw
from vl2.evaluation.job import Job
from vl2.evaluation.row import Row
from vl2.evaluation.task import PromptRule, Task
from vl2.evaluation.verdict import Dialect, Verdict, judged, unparsed

FAMILIES = ("read_word", "shapes", "table")


def write_rows(folder: Path, number: int) -> Path:
    """Draw `number` pictures and a file of questions about them, two of three in one group."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for index in range(number):
        sample = draw(FAMILIES[index % 3], "heldout", 77, index)
        data = sample.images[0].data
        assert data is not None
        (folder / f"{index}.png").write_bytes(data)
        question = "".join(part.text for part in sample.messages[0].parts if isinstance(part, TextPart)).strip()
        lines.append(
            {
                "id": str(index),
                "image": f"{index}.png",
                "question": question,
                "group": str(index // 3 * 3 + index % 3 // 2),
                "answers": list(sample.answers),
                "category": FAMILIES[index % 3],
            }
        )
    (folder / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def read_rows(folder: Path) -> Iterator[Row]:
    for line in (folder / "rows.jsonl").read_text().splitlines():
        record = json.loads(line)
        yield Row(
            id=record["id"], images=(ImageSource(path=str(folder / record["image"])),), question=record["question"],
            answers=tuple(record["answers"]), group=record["group"], category=record["category"],
        )  # fmt: skip


def ask(row: Row) -> Sample:
    message = Message("user", (ImagePart(), TextPart(f"\n{row.question}")))
    return Sample(id=row.id, messages=(message,), images=row.images)


def score(row: Row, said: str, dialect: Dialect) -> Verdict:
    return judged(float(said in row.answers), said) if said else unparsed()


TASK = Task(
    name="toy", title="Toy", source="these tests", metric="exact", rows={}, score=score,
    profiles={"vlmevalkit": PromptRule(ask=ask, max_new_tokens=24)},
)  # fmt: skip


def job(folder: Path, **changes) -> Job:
    return Job(task=TASK, rows=lambda: read_rows(folder), profile="vlmevalkit", data=str(folder), **changes)
