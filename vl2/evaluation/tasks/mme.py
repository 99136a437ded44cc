"""MME: two yes-or-no questions an image, in fourteen categories (Fu et al., 2023). The score is out of 2800."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from vl2.evaluation.loaders.literal import texts_of
from vl2.evaluation.metrics.yes_no import read_yes_no
from vl2.evaluation.prompts import SHORT, asking, question
from vl2.evaluation.row import Row
from vl2.evaluation.task import Count, PromptRule, Record, Scored, Task
from vl2.evaluation.tasks.columns import cell, images_of, own_row, picture_of, tsv_row
from vl2.evaluation.tasks.scorers import without_full_stop
from vl2.evaluation.verdict import Dialect, Verdict, judged, unparsed

ASKED = " Please answer yes or no."
LMMS_TOKENS = 16
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")


def parquet_rows(record: Record) -> Iterator[Row]:
    """Yield a row of the hub's columns; its number is that of the image."""
    text = str(record["question"])
    yield Row(
        id=f"{record['question_id']}:{hashlib.sha256(text.encode()).hexdigest()[:8]}", question=text,
        images=images_of(record["image"]), answers=texts_of([record.get("answer")]),
        group=str(record["question_id"]), category=str(record["category"]), fields=ability_of(str(record["category"])),
    )  # fmt: skip


def tsv_rows(record: Record) -> Iterator[Row]:
    """Yield a row of the table; its image path tells which rows belong together."""
    category = cell(record, "category")
    image = cell(record, "image_path") or picture_of(images_of(record["image"]))
    yield tsv_row(record, group=f"{category}/{image}", fields=ability_of(category))


def own_rows(record: Record) -> Iterator[Row]:
    """Yield a row of our own JSONL; the images tell which belong together, unless it says so itself."""
    for row in own_row(record):
        group = row.group or f"{row.category}/{picture_of(row.images)}"
        yield replace(row, group=group, fields={**row.fields, **ability_of(row.category)})


def ability_of(category: str) -> dict[str, str]:
    """Return the field that names the half of the benchmark a category is of."""
    return {"ability": "cognition" if category in COGNITION else "perception"}


def score(row: Row, said: str, dialect: Dialect) -> Verdict:
    """Compare yes and no."""
    answer = read_yes_no(said, dialect)
    return judged(float(answer.lower() == row.answers[0].lower()), answer) if answer else unparsed()


def count(scored: Sequence[Scored]) -> Iterator[Count]:
    """Count each category twice: by question, and by image with both questions right."""
    images: dict[tuple[str, str], list[float]] = defaultdict(list)
    for one in scored:
        row = one.row
        images[row.category, row.group or row.id].append(one.verdict.credit)
        yield Count(part=f"{row.category}: questions", group=row.group or row.id, value=one.verdict.credit)
    for (category, image), credits in images.items():
        yield Count(part=f"{category}: images", group=image, value=float(all(credits)))


TASK = Task(
    name="mme", title="MME", source="arXiv 2306.13394; VLMEvalKit MME", metric="sum of perception and cognition",
    rows={"parquet": parquet_rows, "tsv": tsv_rows, "jsonl": own_rows},
    profiles={
        "vlmevalkit": PromptRule(ask=asking(question), clean=without_full_stop, dialect="vlmevalkit"),
        "lmms": PromptRule(
            ask=asking(lambda row: row.question.replace(ASKED, "") + SHORT), max_new_tokens=LMMS_TOKENS,
            stop=("\n\n",), dialect="lmms",
        ),
    },
    score=score, count=count, breakdown=("ability", "category"), num_rows={"test": 2374}, published="MME",
    repository="lmms-lab/MME",
)  # fmt: skip
