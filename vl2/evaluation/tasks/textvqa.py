"""TextVQA: questions that need the text in a photograph (Singh et al., 2019)."""

from __future__ import annotations

from collections.abc import Iterator

from vl2.evaluation.loaders.literal import texts_of
from vl2.evaluation.metrics.soft_accuracy import soft_accuracy
from vl2.evaluation.prompts import SHORT, asking, followed_by
from vl2.evaluation.row import Row
from vl2.evaluation.task import PromptRule, Record, Task
from vl2.evaluation.tasks.columns import images_of, own_row, plain_tsv
from vl2.evaluation.tasks.scorers import without_full_stop
from vl2.evaluation.verdict import Dialect, Verdict, judged, unparsed


def parquet_rows(record: Record) -> Iterator[Row]:
    """Yield a row of the hub's columns."""
    yield Row(
        id=str(record["question_id"]), images=images_of(record["image"]), question=str(record["question"]),
        answers=texts_of(record.get("answers")), group=str(record.get("image_id") or ""),
    )  # fmt: skip


def score(row: Row, said: str, dialect: Dialect) -> Verdict:
    """Return the soft accuracy against ten annotators."""
    return judged(soft_accuracy(said, row.answers, dialect), said) if said.strip() else unparsed()


def lmms_question(row: Row) -> str:
    """Return the question with its first letter large and all others small, as lmms-eval shows it."""
    return f"{row.question.capitalize()}{SHORT}"


TASK = Task(
    name="textvqa", title="TextVQA", source="textvqa.org; VLMEvalKit TextVQA_VAL", metric="soft accuracy",
    rows={"parquet": parquet_rows, "tsv": plain_tsv, "jsonl": own_row},
    profiles={
        "vlmevalkit": PromptRule(ask=asking(followed_by(SHORT)), clean=without_full_stop, dialect="vlmevalkit"),
        "lmms": PromptRule(ask=asking(lmms_question), stop=("ASSISTANT:",), dialect="lmms"),
    },
    score=score, num_rows={"validation": 5000, "test": 5734, "train": 34602}, published="TextVQA",
    repository="lmms-lab/textvqa",
)  # fmt: skip
