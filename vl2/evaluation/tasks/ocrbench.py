"""OCRBench: a thousand questions of ten kinds about text in images (Liu et al., 2024). The score is out of 1000."""

from __future__ import annotations

from collections.abc import Iterator

from vl2.evaluation.loaders.literal import texts_of
from vl2.evaluation.metrics.substring import contains_gold
from vl2.evaluation.prompts import asking, question
from vl2.evaluation.row import Row
from vl2.evaluation.task import PromptRule, Record, Task
from vl2.evaluation.tasks.columns import images_of, name_of, own_row, picture_of, plain_tsv
from vl2.evaluation.tasks.scorers import without_full_stop
from vl2.evaluation.verdict import Dialect, Verdict, judged, unparsed

FORMULAS = "Handwritten Mathematical Expression Recognition"
NUM_QUESTIONS = 1000
LMMS_TOKENS = 128


def parquet_rows(record: Record) -> Iterator[Row]:
    """Yield a row of the hub's columns, which have no number: its content names it."""
    images = images_of(record["image"])
    picture = picture_of(images)
    yield Row(
        id=name_of(picture, record["question"], record.get("dataset")), images=images, question=str(record["question"]),
        answers=texts_of(record.get("answer")), group=picture, category=str(record["question_type"]),
        fields={"dataset": str(record.get("dataset") or "")},
    )  # fmt: skip


def score(row: Row, said: str, dialect: Dialect) -> Verdict:
    """Look for an accepted answer in what was said."""
    if not said.strip():
        return unparsed()
    is_formula = row.category == FORMULAS or row.fields.get("dataset") == "HME100k"
    return judged(contains_gold(said, row.answers, is_formula=is_formula, dialect=dialect), said)


TASK = Task(
    name="ocrbench", title="OCRBench", source="github.com/Yuliang-Liu/MultimodalOCR; VLMEvalKit OCRBench",
    metric="questions right of 1000", rows={"parquet": parquet_rows, "tsv": plain_tsv, "jsonl": own_row},
    profiles={
        "vlmevalkit": PromptRule(ask=asking(question), clean=without_full_stop, dialect="vlmevalkit"),
        "lmms": PromptRule(
            ask=asking(lambda row: row.question.strip()), max_new_tokens=LMMS_TOKENS, stop=("\n\n",), dialect="lmms"
        ),
    },
    score=score, scale=float(NUM_QUESTIONS), num_rows={"test": NUM_QUESTIONS}, published="OCRBench",
    repository="echo840/OCRBench",
)  # fmt: skip
