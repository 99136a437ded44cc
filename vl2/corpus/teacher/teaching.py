"""Teaching: a step that asks a teacher about each row, many rows at a time, and makes of the replies what it will."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol, TypeVar

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.corpus.rewriting import rewriting_together
from vl2.corpus.step import Batch, Step, is_kept, reject
from vl2.corpus.teacher.ask import Ask, Reply, Sampling
from vl2.corpus.teacher.teacher import teacher_of
from vl2.data.faults import RowError, fault_of

T = TypeVar("T")
CUT_OFF = "length"  # the finish reason of a reply that reached max_tokens


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What all steps with a teacher are told: the file that says where it answers, and how it is to answer."""

    service: str
    sampling: Sampling
    seed: int = 0


class Rewrite(Protocol):
    """Settings that make another row of a row and the replies about it."""

    service: str
    sampling: Sampling

    def asks(self, sample: Sample) -> list[Ask]:
        """Return what is to be asked of a row. Raises RowError when nothing can be."""
        ...

    def change(self, sample: Sample, said: Sequence[str]) -> Sample:
        """Return the new row. Raises RowError on replies that are of no use."""
        ...


class Score(Protocol):
    """Settings that measure a row by the replies about it."""

    service: str
    sampling: Sampling

    def asks(self, sample: Sample) -> list[Ask]:
        """Return what is to be asked of a row; nothing where there is nothing to measure."""
        ...

    def measure(self, sample: Sample, said: Sequence[str]) -> Mapping[str, float]:
        """Return what the replies say of the row. Raises RowError on replies that are of no use."""
        ...


def rewriting_by(name: str, version: int, settings: Rewrite) -> Step:
    """Return a step that makes other rows by a teacher; its prompt and parameters are written on each."""

    def change_all(rows: Sequence[Sample]) -> list[Sample | VL2Error]:
        return _each(settings, rows, lambda row, asks, said: _told(settings.change(row, said), asks, settings.sampling))

    return rewriting_together(name, version, change_all)


def scoring_by(name: str, version: int, settings: Score) -> Step:
    """Return a step that adds what a teacher says of a row to its quality, as `name.field`."""

    def score(row: Sample, asks: Sequence[Ask], said: Sequence[str]) -> Sample:
        found = {f"{name}.{field}": float(value) for field, value in settings.measure(row, said).items()}
        return replace(row, quality={**row.quality, **found})

    def run(batch: Batch) -> list[Sample]:
        scored = iter(_each(settings, [row for row in batch if is_kept(row)], score))
        return [_or_rejected(row, next(scored), name) if is_kept(row) else row for row in batch]

    return Step(name=name, version=version, run=run)


def _each(
    settings: Rewrite | Score, rows: Sequence[Sample], use: Callable[[Sample, list[Ask], list[str]], Sample]
) -> list[Sample | VL2Error]:
    """Ask about all rows at once; return what `use` makes of each and its replies, or why it makes nothing."""
    asked = [_attempt(lambda row=row: settings.asks(row)) for row in rows]
    wanted = [ask for asks in asked if not isinstance(asks, VL2Error) for ask in asks]
    replies = iter(teacher_of(settings.service).ask_all(wanted, settings.sampling) if wanted else ())
    made: list[Sample | VL2Error] = []
    for row, asks in zip(rows, asked, strict=True):
        if isinstance(asks, VL2Error):
            made.append(asks)
            continue
        own = [next(replies) for _ in asks]
        made.append(_attempt(lambda row=row, asks=asks, own=own: use(row, asks, [_text(reply) for reply in own])))
    return made


def _text(reply: Reply) -> str:
    if reply.problem:
        raise RowError(f"no reply of the teacher, {reply.problem}")
    if reply.finish_reason == CUT_OFF:
        raise RowError("a reply of the teacher that is cut off")
    if not reply.text.strip():
        raise RowError("an empty reply of the teacher")
    return reply.text.strip()


def _attempt(work: Callable[[], T]) -> T | VL2Error:
    try:
        return work()
    except VL2Error as error:
        return error


def _told(row: Sample, asks: Sequence[Ask], sampling: Sampling) -> Sample:
    """Return the row with the teacher that wrote it."""
    params = hashlib.blake2b(json.dumps(asdict(sampling), sort_keys=True).encode(), digest_size=8).hexdigest()
    prompts = dict.fromkeys(f"{ask.prompt}@{ask.version}" for ask in asks)
    told = {"teacher": sampling.model, "prompt_id": "+".join(prompts), "params_hash": params}
    return replace(row, provenance={**row.provenance, **told})


def _or_rejected(old: Sample, new: Sample | VL2Error, step: str) -> Sample:
    return reject(old, step, fault_of(new).reason) if isinstance(new, VL2Error) else new
