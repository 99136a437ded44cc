"""Mixture: as many rows of each kind as give it its share of all tokens: 70 % with pictures, 30 % text (section 3.2).

The kind that is scarcest for its share stays whole; of the others, rows go by the hash of their ids. Nothing is drawn:
the same rows stay in every run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from vl2.core.errors import ConfigError
from vl2.core.sample import Sample
from vl2.corpus.gathering import Arrays, Gathered, Refusal

TEXT, PICTURES = "text", "pictures"
FIELD = "tokens.all"
BINS = 1 << 16  # of hashes: shares are met to within one of them


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Shares in any unit: of `text` and `pictures`, or of sources by name. What has no share is left out."""

    shares: dict[str, float] = field(default_factory=lambda: {PICTURES: 0.7, TEXT: 0.3})

    @property
    def field(self) -> str:
        """Return the field of quality that it decides on."""
        return FIELD

    def kind_of(self, sample: Sample) -> int:
        """Return the place of a row's kind among the shares, -1 of one without a share."""
        names = list(self.shares)
        own = TEXT if not sample.images else PICTURES
        name = own if own in names else str(sample.provenance["source"])
        return names.index(name) if name in names else -1


def take_tokens(batch: Sequence[Sample], settings: Mixture) -> Arrays:
    """Return the kind, the tokens and the hash of each row."""
    if not all(share > 0 for share in settings.shares.values()):
        raise ConfigError("mixture", "a share is not positive", got=settings.shares)
    bins = [int(sample.id[:4], 16) for sample in batch]  # the id is a hash
    return {
        "kind": np.array([settings.kind_of(sample) for sample in batch], np.int16),
        "tokens": np.array([sample.quality[FIELD] for sample in batch], np.int64),
        "bin": np.array(bins, np.uint16),
    }


def refuse_tokens(gathered: Gathered, settings: Mixture) -> Iterator[Refusal]:
    """Yield the rows that are beyond the share of their kind."""
    sums = np.zeros((len(settings.shares), BINS), np.int64)  # [kinds, bins]
    for _, arrays in gathered.blocks():
        named = arrays["kind"] >= 0
        np.add.at(sums, (arrays["kind"][named], arrays["bin"][named]), arrays["tokens"][named])
    ends = bins_kept(sums, list(settings.shares.values()))
    return gathered.refusals(_beyond(gathered, ends), "beyond the share of its kind")


def bins_kept(sums: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Return how many bins of each kind [kinds] stay, given the tokens of each [kinds, bins]."""
    wanted = np.array(shares) / sum(shares)
    total = float((sums.sum(1) / wanted).min())  # tokens of the whole mixture: the scarcest kind decides
    reached = np.cumsum(sums, 1)  # [kinds, bins]
    return np.array([np.searchsorted(row, share * total + 0.5, "right")
                     for row, share in zip(reached, wanted, strict=True)])  # fmt: skip


def _beyond(gathered: Gathered, ends: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for rows, arrays in gathered.blocks():
        kinds = arrays["kind"]
        left_out = (kinds < 0) | (arrays["bin"] >= ends[np.maximum(kinds, 0)])
        yield rows[left_out], rows[left_out]  # no other row is the reason: it names itself
