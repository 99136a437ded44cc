"""MMMU: college questions of thirty subjects with up to seven images (Yue et al., 2024)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vl2.evaluation.loaders.literal import read_list, texts_of
from vl2.evaluation.metrics.mmmu import match_open, read_choice
from vl2.evaluation.prompts import lettered, lmms_mmmu, vlmevalkit_mmmu
from vl2.evaluation.row import Row
from vl2.evaluation.task import PromptRule, Record, Task
from vl2.evaluation.tasks.columns import choice_tsv, images_of, own_row
from vl2.evaluation.tasks.mmmu_subjects import BY_SUBJECT
from vl2.evaluation.tasks.scorers import chosen, without_full_stop
from vl2.evaluation.verdict import Dialect, Verdict, judged, unparsed

NUM_IMAGES = 7
LMMS_TOKENS = 128
HIDDEN = "?"  # an answer that only the server knows


def parquet_rows(record: Record) -> Iterator[Row]:
    """Yield a row of the hub's columns; options are a list in a text, an open answer may be one too."""
    columns = [record.get(f"image_{number}") for number in range(1, NUM_IMAGES + 1)]
    is_choice = record["question_type"] == "multiple-choice"
    options = lettered(read_list(str(record.get("options"))) or ()) if is_choice else {}
    subject = "_".join(str(record["id"]).split("_")[1:-1])
    answers = () if record.get("answer") == HIDDEN else texts_of(record.get("answer"))
    yield Row(id=str(record["id"]), images=images_of(columns), question=str(record["question"]), options=options,
              answers=answers, category=subject, fields=discipline_of(subject))  # fmt: skip


def tsv_rows(record: Record) -> Iterator[Row]:
    """Yield a row of the table; the answer of an open question may be a list in a text."""
    for row in choice_tsv(record):
        answers = row.answers if row.options else texts_of(record.get("answer"))
        yield replace(row, answers=() if answers == (HIDDEN,) else answers,
                      fields={**row.fields, **discipline_of(row.category)})  # fmt: skip


def discipline_of(subject: str) -> dict[str, str]:
    """Return the field that names the discipline of a subject."""
    return {"discipline": BY_SUBJECT[subject]} if subject in BY_SUBJECT else {}


def score(row: Row, said: str, dialect: Dialect) -> Verdict:
    """Compare letters, or look for an open answer within what was said."""
    if not said.strip():
        return unparsed()
    if row.options:
        return chosen(read_choice(said, row.options, dialect), row)
    return judged(float(match_open(said, row.answers, dialect)), said)


TASK = Task(
    name="mmmu", title="MMMU", source="mmmu-benchmark.github.io; VLMEvalKit MMMU_DEV_VAL", metric="accuracy",
    rows={"parquet": parquet_rows, "tsv": tsv_rows, "jsonl": own_row},
    profiles={
        "vlmevalkit": PromptRule(ask=vlmevalkit_mmmu, clean=without_full_stop, dialect="vlmevalkit"),
        "lmms": PromptRule(ask=lmms_mmmu, max_new_tokens=LMMS_TOKENS, stop=("\n\n",), dialect="lmms"),
    },
    score=score, breakdown=("discipline", "category"), num_rows={"dev": 150, "validation": 900, "test": 10500},
    published="MMMU", repository="lmms-lab/MMMU",
)  # fmt: skip
