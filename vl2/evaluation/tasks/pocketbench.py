"""Pocketbench: held-out drawn pictures, the report card of the bundled model. `vl2 corpus draw` makes its data."""

from __future__ import annotations

from collections.abc import Iterator

from vl2.core.sample import BoxesPart, ImagePart, Sample, TextPart
from vl2.evaluation.credits import MAX_ANSWER_TOKENS, credit_of, gold_boxes
from vl2.evaluation.row import Row
from vl2.evaluation.task import PromptRule, Record, Task
from vl2.evaluation.verdict import Dialect, Verdict, judged, unparsed


def rows(record: Record) -> Iterator[Row]:
    """Yield the row of a sample: its last turn is what is wanted."""
    sample: Sample = record["sample"]
    boxes = gold_boxes(sample)
    wanted = sample.answers or (" ".join(str(list(box.thousandths())) for box in boxes) or "nothing",)
    yield Row(
        id=sample.id, images=sample.images, question=_last_question(sample), answers=tuple(wanted),
        category=sample.provenance["kind"],
        fields={"messages": sample.messages[:-1], "accepted": sample.answers, "boxes": boxes},
    )  # fmt: skip


def ask(row: Row) -> Sample:
    """Return the conversation as the sample has it."""
    return Sample(id=row.id, messages=row.fields["messages"], images=row.images)


def score(row: Row, said: str, dialect: Dialect) -> Verdict:
    """Return the credit by the rule of the kind."""
    if not said.strip():
        return unparsed()
    return judged(credit_of(row.category, row.fields["accepted"], row.fields["boxes"], said), said)


def _last_question(sample: Sample) -> str:
    words: list[str] = []
    for part in sample.messages[-2].parts:
        match part:
            case TextPart(text):
                words.append(text.strip())
            case BoxesPart(label, _):
                words.append(label)
            case ImagePart():
                pass
    return " ".join(word for word in words if word)


TASK = Task(
    name="pocketbench", title="Pocketbench", source="vl2/corpus/pocket, seed and faces held out", metric="mean credit",
    rows={"shards": rows}, profiles={"native": PromptRule(ask=ask, max_new_tokens=MAX_ANSWER_TOKENS)}, score=score,
    data="runs/pocket/heldout",
)  # fmt: skip
