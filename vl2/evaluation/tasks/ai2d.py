"""AI2D: questions about school diagrams (Kembhavi et al., 2016), with labels masked by letters or as they were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from string import ascii_uppercase

from vl2.evaluation.metrics.exact import exact_filtered
from vl2.evaluation.prompts import asking, lettered, lmms_choice, vlmevalkit_choice
from vl2.evaluation.row import Row
from vl2.evaluation.task import PromptRule, Record, Task
from vl2.evaluation.tasks.columns import choice_tsv, images_of, name_of, own_row, picture_of
from vl2.evaluation.tasks.scorers import score_choice, without_full_stop
from vl2.evaluation.verdict import Dialect, Verdict, judged, unparsed

LMMS_TOKENS = 16


def parquet_rows(record: Record) -> Iterator[Row]:
    """Yield a row of the hub's columns: options in a list, the answer their index."""
    images = images_of(record["image"])
    picture, options = picture_of(images), lettered(list(record["options"]))
    name = name_of(picture, record["question"], options)
    answer = ascii_uppercase[int(record["answer"])]
    yield Row(id=name, images=images, question=str(record["question"]), options=options, answers=(answer,),
              group=picture)  # fmt: skip


def score(row: Row, said: str, dialect: Dialect) -> Verdict:
    """Compare letters."""
    if dialect == "lmms":
        return judged(exact_filtered(said, row.answers[0]), said) if said.strip() else unparsed()
    return score_choice(row, said, dialect)


TASK = Task(
    name="ai2d", title="AI2D", source="prior.allenai.org/projects/diagram-understanding; VLMEvalKit AI2D_TEST",
    metric="accuracy", rows={"parquet": parquet_rows, "tsv": choice_tsv, "jsonl": own_row},
    profiles={
        "vlmevalkit": PromptRule(ask=asking(vlmevalkit_choice), clean=without_full_stop, dialect="vlmevalkit"),
        "lmms": PromptRule(ask=asking(lmms_choice), max_new_tokens=LMMS_TOKENS, stop=("\n\n",), dialect="lmms"),
    },
    score=score, num_rows={"test": 3088}, published="AI2D", repository="lmms-lab/ai2d",
)  # fmt: skip
# Eight to ten points easier, and not what the paper reports.
NO_MASK = replace(
    TASK, name="ai2d_no_mask", title="AI2D without masks", published="",
    repository="Efficient-Large-Model/ai2d-no-mask",
)  # fmt: skip
