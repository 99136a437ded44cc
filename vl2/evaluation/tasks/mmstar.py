"""MMStar: 1,500 questions of six abilities that need their image (Chen et al., 2024)."""

from __future__ import annotations

from collections.abc import Iterator

from vl2.evaluation.loaders.literal import texts_of
from vl2.evaluation.metrics.exact import exact_letter
from vl2.evaluation.prompts import asking, vlmevalkit_choice
from vl2.evaluation.row import Row
from vl2.evaluation.task import PromptRule, Record, Task
from vl2.evaluation.tasks.columns import choice_tsv, images_of, own_row
from vl2.evaluation.tasks.scorers import score_choice, without_full_stop
from vl2.evaluation.verdict import Dialect, Verdict, judged, unparsed

OPTIONS = "Options:"
LETTERS = "ABCD"
MARKS = ("\n", ", ")
LMMS_LETTER = "\nAnswer with the option's letter from the given choices directly"  # without its full stop


def parquet_rows(record: Record) -> Iterator[Row]:
    """Yield a row of the hub's columns; options stand within the question."""
    text = str(record["question"])
    plain, _, listed = text.partition(OPTIONS)
    options = listed_options(listed)
    yield Row(
        id=str(record["index"]), images=images_of(record["image"]), options=options,
        question=plain.strip() if options else text, answers=texts_of([record.get("answer")]),
        category=str(record.get("category") or ""),
        fields={"asked": text, "l2-category": str(record.get("l2_category") or "")},
    )  # fmt: skip


def listed_options(text: str) -> dict[str, str]:
    """Return the options of `A: one, B: another`: each ends where the next letter follows a comma or a new line."""
    options: dict[str, str] = {}
    rest = f"\n{text.strip()}"
    for letter, following in zip(LETTERS, [*LETTERS[1:], ""], strict=True):
        begin = min((place for mark in MARKS if (place := rest.find(f"{mark}{letter}: ")) >= 0), default=-1)
        if begin < 0:
            break
        rest = rest[begin:].lstrip("\n, ")[len(f"{letter}: ") :]
        ends = [place for mark in MARKS if following and (place := rest.find(f"{mark}{following}: ")) >= 0]
        options[letter] = rest[: min(ends, default=len(rest))].strip().rstrip(",")
    return options


def score(row: Row, said: str, dialect: Dialect) -> Verdict:
    """Compare letters."""
    if dialect == "lmms":
        return judged(exact_letter(said, row.answers[0]), said) if said.strip() else unparsed()
    return score_choice(row, said, dialect)


def as_published(row: Row) -> str:
    """Return the question with the options that stand in it."""
    return f"{row.fields.get('asked') or row.question}".strip() + LMMS_LETTER


TASK = Task(
    name="mmstar", title="MMStar", source="mmstar-benchmark.github.io; VLMEvalKit MMStar", metric="accuracy",
    rows={"parquet": parquet_rows, "tsv": choice_tsv, "jsonl": own_row},
    profiles={
        "vlmevalkit": PromptRule(ask=asking(vlmevalkit_choice), clean=without_full_stop, dialect="vlmevalkit"),
        "lmms": PromptRule(ask=asking(as_published), stop=("\n\n",), dialect="lmms"),
    },
    score=score, breakdown=("category", "l2-category"), num_rows={"val": 1500}, published="MMStar",
    repository="Lin-Chen/MMStar",
)  # fmt: skip
