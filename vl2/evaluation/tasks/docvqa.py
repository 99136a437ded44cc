"""DocVQA: questions about scanned documents (Mathew et al., 2021). The test split's answers are on its server."""

from __future__ import annotations

from collections.abc import Iterator

from vl2.evaluation.loaders.literal import texts_of
from vl2.evaluation.metrics.anls import anls
from vl2.evaluation.prompts import SHORT, asking, followed_by
from vl2.evaluation.row import Row
from vl2.evaluation.task import PromptRule, Record, Task
from vl2.evaluation.tasks.columns import images_of, own_row, plain_tsv
from vl2.evaluation.tasks.scorers import without_full_stop
from vl2.evaluation.verdict import Dialect, Verdict, judged, unparsed

LMMS_TOKENS = 32


def parquet_rows(record: Record) -> Iterator[Row]:
    """Yield a row of the hub's columns; questions about one page are not independent."""
    kinds = texts_of(record.get("question_types") or record.get("answer_type"))
    yield Row(
        id=str(record["questionId"]), images=images_of(record["image"]), question=str(record["question"]),
        answers=texts_of(record.get("answers")), group=str(record.get("docId") or record.get("image_url") or ""),
        category=", ".join(kinds), fields={"kind": kinds},
    )  # fmt: skip


def score(row: Row, said: str, dialect: Dialect) -> Verdict:
    """Return the similarity to the nearest accepted answer."""
    return judged(anls(said, row.answers, dialect), said) if said.strip() else unparsed()


TASK = Task(
    name="docvqa", title="DocVQA", source="rrc.cvc.uab.es/?ch=17; VLMEvalKit DocVQA_*", metric="ANLS",
    rows={"parquet": parquet_rows, "tsv": plain_tsv, "jsonl": own_row},
    profiles={
        "vlmevalkit": PromptRule(ask=asking(followed_by(SHORT)), clean=without_full_stop, dialect="vlmevalkit"),
        "lmms": PromptRule(ask=asking(followed_by(SHORT)), max_new_tokens=LMMS_TOKENS, stop=("\n\n",), dialect="lmms"),
    },
    score=score, breakdown=("kind",), num_rows={"validation": 5349, "test": 5188}, published="DocVQA",
    repository="lmms-lab/DocVQA", config="DocVQA",
)  # fmt: skip
