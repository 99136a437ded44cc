"""Interleave: documents of texts and pictures in their order, as turns in which every text is learned (section 3.2).

Only users show pictures: what stands before a picture, and the picture, is a question; the text after it is its answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from vl2.core.sample import ImagePart, Message, Part, Sample, TextPart
from vl2.corpus.filters.tokens import tokens_of
from vl2.data.faults import RowError


@dataclass(frozen=True, kw_only=True)
class Interleave:
    """What a document has to hold; the limits are those of OBELICS (arXiv 2306.16527, section 3)."""

    least_images: int = 1
    most_images: int = 30
    least_words: int = 10
    most_words: int = 2000

    def change(self, sample: Sample) -> Sample:
        """Return the document in turns. Raises RowError on one beyond the limits, or with nothing after a picture."""
        parts = [part for message in sample.messages for part in message.parts]
        num_images = sum(isinstance(part, ImagePart) for part in parts)
        if num_images != len(sample.images):
            raise RowError("images do not match their places")
        if not self.least_images <= num_images <= self.most_images:
            raise RowError("too few or too many pictures")
        words = sum(len(tokens_of(part.text)) for part in parts if isinstance(part, TextPart))
        if not self.least_words <= words <= self.most_words:
            raise RowError("too few or too many words")
        messages = to_turns(parts)
        if not messages:
            raise RowError("no text after a picture")
        kept = sum(isinstance(part, ImagePart) for message in messages for part in message.parts)
        return replace(sample, messages=messages, images=sample.images[:kept], answers=())


@dataclass(frozen=True, kw_only=True)
class Share:
    """How much of a source stays, by the hash of its rows: the same rows in every run, however they are cut."""

    share: float
    source: str | None = None  # the one that is thinned; all others stay whole
    seed: int = 0

    def find_reason(self, sample: Sample) -> str | None:
        """Return why a row goes."""
        if self.source is not None and sample.provenance["source"] != self.source:
            return None
        name = f"{sample.provenance['source']}|{sample.provenance['source_id']}|{self.seed}"
        point = int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest()) / 2**64
        return None if point < self.share else "beyond the share of its source"


def to_turns(parts: Iterable[Part]) -> tuple[Message, ...]:
    """Return parts in turns, in their order; pictures that no text follows, at the end, are left out."""
    messages: list[Message] = []
    asked: list[Part] = []
    said: list[Part] = []
    for part in parts:
        if isinstance(part, TextPart) and not part.text.strip() and not said:
            continue
        if isinstance(part, ImagePart):
            if said and _shows(asked):  # an answer is whole
                messages += [Message("user", tuple(asked)), Message("assistant", tuple(said))]
                asked, said = [], []
            asked += [*said, part]
            said = []
        else:
            said.append(part)
    if said and _shows(asked):
        messages += [Message("user", tuple(asked)), Message("assistant", tuple(said))]
    return tuple(messages)


def _shows(parts: Iterable[Part]) -> bool:
    return any(isinstance(part, ImagePart) for part in parts)
