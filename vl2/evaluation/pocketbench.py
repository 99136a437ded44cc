"""Pocketbench: how well a model answers held-out drawn pictures, kind by kind, with Wilson intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vl2.core.errors import VL2Error
from vl2.core.sample import Message, Sample
from vl2.data.shards import ShardFolder
from vl2.engine.answer import generate
from vl2.engine.request import Request
from vl2.engine.sampler import SamplingSettings
from vl2.evaluation.credits import MAX_ANSWER_TOKENS, credit_of, gold_boxes
from vl2.evaluation.statistics import wilson
from vl2.model import VL2
from vl2.processor.processor import Processor


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One held-out question, what was said, and its credit in 0..1."""

    kind: str
    sample_id: str
    gold: str
    said: str
    credit: float


@dataclass(frozen=True, kw_only=True)
class KindScore:
    """The mean credit of one kind and its 95 % interval."""

    kind: str
    num_questions: int
    score: float
    low: float
    high: float


def ask_all(model: VL2, processor: Processor, samples: Iterable[Sample], batch_size: int = 32) -> Iterator[Outcome]:
    """Answer every held-out sample, greedily, and yield its credit."""
    batch: list[Sample] = []
    for sample in samples:
        batch.append(sample)
        if len(batch) == batch_size:
            yield from _ask(model, processor, batch)
            batch = []
    if batch:
        yield from _ask(model, processor, batch)


def held_out(root: Path, *, prefix: str = "", limit: int = 0) -> Iterator[Sample]:
    """Yield the held-out samples under `root` whose kind begins with `prefix`, at most `limit` of each kind."""
    seen: Counter[str] = Counter()
    for folder in sorted(path for path in root.glob("*") if path.is_dir()):
        for sample in ShardFolder(folder):
            kind = sample.provenance["kind"]
            if kind.startswith(prefix) and (not limit or seen[kind] < limit):
                seen[kind] += 1
                yield sample
    if not seen:
        raise VL2Error(str(root), "no held-out samples here", do="Run `vl2 corpus draw` first, or give --data.")


def summarise(outcomes: Sequence[Outcome]) -> list[KindScore]:
    """Return the score of each kind, in the order in which kinds appear."""
    kinds = dict.fromkeys(outcome.kind for outcome in outcomes)
    return [_score(kind, [outcome.credit for outcome in outcomes if outcome.kind == kind]) for kind in kinds]


def _ask(model: VL2, processor: Processor, batch: Sequence[Sample]) -> Iterator[Outcome]:
    settings = SamplingSettings(max_new_tokens=MAX_ANSWER_TOKENS)
    requests = [
        Request(prompt=processor((*sample.messages[:-1], Message("assistant", ())), sample.images), settings=settings)
        for sample in batch
    ]
    answers = generate(model, processor.tokenizer, requests)
    for sample, answer in zip(batch, answers, strict=True):
        kind = sample.provenance["kind"]
        boxes = gold_boxes(sample)
        gold = sample.answers[0] if sample.answers else " ".join(str(box.thousandths()) for box in boxes)
        credit = credit_of(kind, sample.answers, boxes, answer.text)
        yield Outcome(kind=kind, sample_id=sample.id, gold=gold, said=answer.text, credit=credit)


def _score(kind: str, credits: Sequence[float]) -> KindScore:
    """Return mean and Wilson interval (for the fractional credits of lines a slightly wide one)."""
    mean = sum(credits) / len(credits)
    low, high = wilson(mean, len(credits))
    return KindScore(kind=kind, num_questions=len(credits), score=mean, low=low, high=high)
