"""Rewriting: a step that makes another row out of each row; what it was made of stays written on it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from vl2.core.encoded import image_hash
from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.corpus.ingest import content_id
from vl2.corpus.step import Batch, Step, is_kept, reject
from vl2.data.faults import fault_of


def rewriting(name: str, version: int, change: Callable[[Sample], Sample]) -> Step:
    """Return a step that changes each kept row; one that cannot be changed is rejected with the reason."""
    return rewriting_together(name, version, lambda rows: [_attempt(change, row) for row in rows])


def rewriting_together(
    name: str, version: int, change_all: Callable[[Sequence[Sample]], Sequence[Sample | VL2Error]]
) -> Step:
    """Return a step that changes the kept rows of a batch together; an error rejects its row."""

    def run(batch: Batch) -> list[Sample]:
        kept = [sample for sample in batch if is_kept(sample)]
        changed = iter(change_all(kept) if kept else ())
        return [_finished(name, version, sample, next(changed)) if is_kept(sample) else sample for sample in batch]

    return Step(name=name, version=version, run=run)


def dice_of(sample: Sample, purpose: str, seed: int) -> random.Random:
    """Return dice that fall the same for the same row, wherever and beside whatever it is worked on."""
    key = hashlib.blake2b(f"{sample.id}|{purpose}|{seed}".encode(), digest_size=8).digest()
    return random.Random(int.from_bytes(key))


def _attempt(change: Callable[[Sample], Sample], sample: Sample) -> Sample | VL2Error:
    try:
        return change(sample)
    except VL2Error as error:
        return error


def _finished(name: str, version: int, old: Sample, new: Sample | VL2Error) -> Sample:
    """Return the new row with its id and parents, or the old one rejected."""
    if isinstance(new, VL2Error):
        return reject(old, name, fault_of(new).reason)
    if new is old:
        return old
    told = {**new.provenance, "images": [image_hash(image) for image in new.images]}
    told["versions"] = {**told.get("versions", {}), name: version}  # a row that nothing has rewritten has none
    told["pipeline"] = name
    parents = [*old.provenance["parents"], old.id]
    told["parents"] = [*parents, *(other for other in told["parents"] if other not in parents)]
    row = replace(new, provenance=told)
    return replace(row, id=content_id(row))
