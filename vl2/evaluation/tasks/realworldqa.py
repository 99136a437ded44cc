"""RealWorldQA: questions about photographs, many from vehicles (xAI, 2024)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vl2.evaluation.loaders.literal import texts_of
from vl2.evaluation.metrics.exact import exact_or_letter
from vl2.evaluation.prompts import asking, question, vlmevalkit_choice
from vl2.evaluation.row import Row
from vl2.evaluation.task import PromptRule, Record, Task
from vl2.evaluation.tasks.columns import choice_tsv, images_of, name_of, own_row, picture_of
from vl2.evaluation.tasks.scorers import score_choice, without_full_stop
from vl2.evaluation.verdict import Dialect, Verdict, judged, unparsed

DIRECTLY = "Please answer directly with only the letter of the correct option and nothing else."
SINGLE = "Please answer directly with a single word or number."
OPTION = re.compile(r"^([A-Z])\. (.*)$", re.MULTILINE)
LMMS_TOKENS = 16


def parquet_rows(record: Record) -> Iterator[Row]:
    """Yield a row of the hub's columns: options and instruction stand in the question."""
    images, text = images_of(record["image"]), str(record["question"])
    options = {letter: option.strip() for letter, option in OPTION.findall(text)}
    plain = OPTION.sub("", text.replace(DIRECTLY, "").replace(SINGLE, "")).strip()
    picture = picture_of(images)
    yield Row(
        id=name_of(picture, text), images=images, question=plain, options=options, group=picture,
        answers=texts_of([record.get("answer")]), fields={"asked": text},
    )  # fmt: skip


def score(row: Row, said: str, dialect: Dialect) -> Verdict:
    """Compare letters where there are options, else words."""
    if dialect == "lmms":
        return judged(exact_or_letter(said, row.answers[0]), said) if said.strip() else unparsed()
    return score_choice(row, said, dialect)


def as_published(row: Row) -> str:
    """Return the question with the options and the instruction that it was published with."""
    return str(row.fields.get("asked") or question(row))


TASK = Task(
    name="realworldqa", title="RealWorldQA", source="x.ai/blog/grok-1.5v; VLMEvalKit RealWorldQA", metric="accuracy",
    rows={"parquet": parquet_rows, "tsv": choice_tsv, "jsonl": own_row},
    profiles={
        "vlmevalkit": PromptRule(ask=asking(vlmevalkit_choice), clean=without_full_stop, dialect="vlmevalkit"),
        "lmms": PromptRule(ask=asking(as_published), max_new_tokens=LMMS_TOKENS, stop=("\n\n",), dialect="lmms"),
    },
    score=score, num_rows={"test": 765}, published="RealWorldQA", repository="lmms-lab/RealWorldQA",
)  # fmt: skip
