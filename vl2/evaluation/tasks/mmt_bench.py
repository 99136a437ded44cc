"""MMT-Bench: 32 meta-tasks with up to nine options and several images (Ying et al., 2024)."""

from __future__ import annotations

from collections.abc import Iterator

from vl2.core.sample import ImagePart, Part, Sample, TextPart
from vl2.evaluation.loaders.literal import is_missing
from vl2.evaluation.metrics.stated_letter import stated_letter
from vl2.evaluation.prompts import asking, options_of, sample_of, vlmevalkit_choice
from vl2.evaluation.row import Row
from vl2.evaluation.task import PromptRule, Record, Task
from vl2.evaluation.tasks.columns import own_row, tsv_row
from vl2.evaluation.tasks.scorers import chosen, score_choice, without_full_stop
from vl2.evaluation.verdict import Dialect, Verdict

LETTERS = "ABCDEFGHI"
LMMS_LETTER = "\nAnswer the question using a single character from the given options."
LMMS_TOKENS = 8


def rows(record: Record) -> Iterator[Row]:
    """Yield a row of a table or of the hub's columns."""
    answer = record.get("answer")
    yield tsv_row(record, options=LETTERS, answers=() if is_missing(answer) else (str(answer).strip(),))


def score(row: Row, said: str, dialect: Dialect) -> Verdict:
    """Compare letters."""
    if dialect == "lmms":
        return chosen(stated_letter(said, row.options), row)
    return score_choice(row, said, dialect)


def ask_lmms(row: Row) -> Sample:
    """Ask as lmms-eval does: the images stand behind the word that announces the question."""
    text = f"{row.question.strip()}\n{options_of(row, '{}: {}' + chr(10))}".rstrip("\n") + LMMS_LETTER
    shown: list[Part] = [part for _ in row.images for part in (ImagePart(), TextPart("\n"))]
    return sample_of(row, [TextPart("Question: "), *shown, TextPart(text)], row.images)


TASK = Task(
    name="mmt_bench", title="MMT-Bench", source="mmt-bench.github.io; VLMEvalKit MMT-Bench_*", metric="accuracy",
    rows={"parquet": rows, "tsv": rows, "jsonl": own_row},
    profiles={
        "vlmevalkit": PromptRule(ask=asking(vlmevalkit_choice), clean=without_full_stop, dialect="vlmevalkit"),
        "lmms": PromptRule(ask=ask_lmms, max_new_tokens=LMMS_TOKENS, stop=("\n\n",), dialect="lmms"),
    },
    score=score, breakdown=("l2-category", "category"), num_rows={"val": 3127, "test": 28198}, published="MMT-Bench",
    repository="lmms-lab/MMT-Benchmark",
)  # fmt: skip
