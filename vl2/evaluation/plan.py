"""Plan: the rows of a job with the keys of their answers, before anything is asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import vl2
from vl2.core.errors import VL2Error
from vl2.evaluation.answerers.answerer import Asking, Identity, text_of
from vl2.evaluation.degradation import moved_along
from vl2.evaluation.image_file import hash_of
from vl2.evaluation.job import Job
from vl2.evaluation.manifest import Manifest
from vl2.evaluation.row import Row
from vl2.evaluation.summary import Degradation
from vl2.evaluation.task import PromptRule

# A picture of one pixel: some rules enlarge images, and their texts are wanted without that work.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c6360000000"
    "02000148afa4710000000049454e44ae426082"
)


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A row without the bytes of its images, and the key of its answer."""

    row: Row
    key: str
    images: tuple[str, ...]  # SHA-256 of each file


def make_plan(job: Job, identity: Identity) -> list[Planned]:
    """Return the rows with the keys of their answers; image bytes are hashed and dropped. Raises VL2Error."""
    rule, asking = job.rule, job.asking
    plan: list[Planned] = []
    for row in job.wanted():
        images = tuple(map(hash_of, row.images))
        key = key_of(row.id, prompt_of(rule, row), images, asking, identity, job.degradation)
        scored = row if job.degradation is None else _moved(row, job.degradation)
        light = replace(scored, images=tuple(replace(image, data=None) for image in scored.images))
        plan.append(Planned(row=light, key=key, images=images))
    if not plan:
        raise VL2Error(job.data or job.task.name, "holds no rows", do="Check the path and --split.")
    return plan


def manifest_of(job: Job, identity: Identity) -> Manifest:
    """Return all that the answers of a job depend on."""
    first = next(job.wanted())
    rule = [job.profile, asdict(job.asking), prompt_of(job.rule, first)]
    return Manifest(
        task=job.task.name, profile=job.profile, prompt=_hash(rule), identity=identity, data=job.data,
        split=job.split, format=job.format, limit=job.limit, dialect=job.dialect, degradation=job.degradation,
        code=vl2.__version__,
    )  # fmt: skip


def key_of(
    row_id: str, prompt: str, images: Sequence[str], asking: Asking, identity: Identity,
    degradation: Degradation | None,
) -> str:  # fmt: skip
    """Return the hash of all that an answer depends on."""
    changed = None if degradation is None else asdict(degradation)
    return _hash([row_id, prompt, list(images), asdict(asking), identity.fingerprint, dict(identity.settings), changed])


def prompt_of(rule: PromptRule, row: Row) -> str:
    """Return the turns that a rule makes of a row as text; no image is opened. Nothing where it cannot be asked."""
    blank = tuple(replace(image, path=None, data=PIXEL) for image in row.images)
    try:
        sample = rule.ask(replace(row, images=blank))
    except VL2Error:
        return ""
    return "\n".join(f"{message.role}: {text_of(message)}" for message in sample.messages)


def _moved(row: Row, degradation: Degradation) -> Row:
    """Return a row with its box as it is scored; as it was, when its image cannot be opened: that is an error."""
    try:
        return moved_along(row, degradation)
    except VL2Error:
        return row


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
