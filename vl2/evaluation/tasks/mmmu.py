"""MMMU: college questions of thirty subjects with up to seven images (Yue et al., 2024)."""

from __future__ import annotations

from collections.abc import Iterator

from vl2.evaluation.loaders.literal import is_missing, texts_of
from vl2.evaluation.metrics.mmmu import match_open, read_choice
from vl2.evaluation.metrics.options import read_option
from vl2.evaluation.prompts import lettered, lmms_mmmu, vlmevalkit_mmmu
from vl2.evaluation.row import Row
from vl2.evaluation.task import PromptRule, Record, Task
from vl2.evaluation.tasks.columns import choice_tsv, images_of, own_row
from vl2.evaluation.tasks.scorers import chosen, without_full_stop
from vl2.evaluation.verdict import Dialect, Verdict, judged, unparsed

NUM_IMAGES = 7
LMMS_TOKENS = 128


def parquet_rows(record: Record) -> Iterator[Row]:
    """Yield a row of the hub's columns; options are a list in a text, an open answer may be one too."""
    columns = [record.get(f"image_{number}") for number in range(1, NUM_IMAGES + 1)]
    options = lettered(texts_of(record.get("options"))) if record["question_type"] == "multiple-choice" else {}
    subject = "_".join(str(record["id"]).split("_")[1:-1])
    answers = () if is_missing(record.get("answer")) or record.get("answer") == "?" else texts_of(record["answer"])
    yield Row(id=str(record["id"]), images=images_of(columns), question=str(record["question"]), options=options,
              answers=answers, category=subject)  # fmt: skip


def score(row: Row, said: str, dialect: Dialect) -> Verdict:
    """Compare letters, or look for an open answer within what was said."""
    if not said.strip():
        return unparsed()
    if row.options:
        return chosen(read_choice(said, row.options, dialect), row)
    if dialect == "vlmevalkit":  # which makes an open question one of two options, the other one "Other Answers"
        letter = read_option(said, {"A": row.answers[0], "B": "Other Answers"}, dialect)
        return judged(float(letter == "A"), letter) if letter else unparsed()
    return judged(float(match_open(said, row.answers)), said)


TASK = Task(
    name="mmmu", title="MMMU", source="mmmu-benchmark.github.io; VLMEvalKit MMMU_DEV_VAL", metric="accuracy",
    rows={"parquet": parquet_rows, "tsv": choice_tsv, "jsonl": own_row},
    profiles={
        "vlmevalkit": PromptRule(ask=vlmevalkit_mmmu, clean=without_full_stop, dialect="vlmevalkit"),
        "lmms": PromptRule(ask=lmms_mmmu, max_new_tokens=LMMS_TOKENS, stop=("\n\n",), dialect="lmms"),
    },
    score=score, num_rows={"dev": 150, "validation": 900, "test": 10500}, published="MMMU",
)  # fmt: skip
