"""ChartQA: questions about charts, written by people and made from summaries (Masry et al., 2022)."""

from __future__ import annotations

from collections.abc import Iterator

from vl2.evaluation.loaders.literal import texts_of
from vl2.evaluation.metrics.relaxed_accuracy import relaxed_accuracy
from vl2.evaluation.prompts import SHORT, asking, followed_by
from vl2.evaluation.row import Row
from vl2.evaluation.task import PromptRule, Record, Task
from vl2.evaluation.tasks.columns import images_of, name_of, own_row, picture_of, tsv_row
from vl2.evaluation.tasks.scorers import without_full_stop
from vl2.evaluation.verdict import Dialect, Verdict, judged, unparsed

LMMS_SHORT = "\nAnswer the question with a single word."
LMMS_TOKENS = 16
DIVISIONS = ("human", "augmented")


def parquet_rows(record: Record) -> Iterator[Row]:
    """Yield a row of the hub's columns, which have no number: its content names it."""
    images = images_of(record["image"])
    picture = picture_of(images)
    yield Row(
        id=name_of(picture, record["question"]), images=images, question=str(record["question"]), group=picture,
        answers=texts_of([record.get("answer")]), category=division(record.get("type")),
    )  # fmt: skip


def tsv_rows(record: Record) -> Iterator[Row]:
    """Yield a row of the table; its answer is one text even where it looks like a list."""
    yield tsv_row(
        record, answers=texts_of([record.get("answer")]), category=division(record.get("split")), fields={"split": ""}
    )


def division(told: object) -> str:
    """Return who wrote a question; files say human_test or test_human."""
    words = str(told or "").split("_")
    return next((word for word in words if word in DIVISIONS), "")


def score(row: Row, said: str, dialect: Dialect) -> Verdict:
    """Compare numbers within five per cent, other answers exactly."""
    return judged(relaxed_accuracy(said, row.answers[0], dialect), said) if said.strip() else unparsed()


TASK = Task(
    name="chartqa", title="ChartQA", source="github.com/vis-nlp/ChartQA; VLMEvalKit ChartQA_TEST",
    metric="relaxed accuracy", rows={"parquet": parquet_rows, "tsv": tsv_rows, "jsonl": own_row},
    profiles={
        "vlmevalkit": PromptRule(ask=asking(followed_by(SHORT)), clean=without_full_stop, dialect="vlmevalkit"),
        "lmms": PromptRule(
            ask=asking(followed_by(LMMS_SHORT)), max_new_tokens=LMMS_TOKENS, stop=("\n\n",), dialect="lmms"
        ),
    },
    score=score, num_rows={"test": 2500}, published="ChartQA", repository="lmms-lab/ChartQA",
)  # fmt: skip
