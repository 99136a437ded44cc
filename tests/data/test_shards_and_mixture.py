"""Shards are read as they were written; a mixture is deterministic, shared among processes and resumable."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from tests.data.drawn import NUM_SAMPLES
from vl2.core.errors import VL2Error
from vl2.corpus.pocket import draw
from vl2.data.mixture import Mixture
from vl2.data.shards import ShardFolder

WEIGHTS = {"read_word": 0.5, "shapes": 0.3, "ground": 0.2}


def test_shards_give_the_samples_that_were_drawn(corpus):
    folder = ShardFolder(corpus / "data" / "shapes")
    assert len(folder) == NUM_SAMPLES
    for index in (0, 4, 5, 11):  # over the borders of shards
        drawn = draw("shapes", "train", 0, index)
        assert folder[index] == drawn
    assert [sample.id for sample in folder] == [folder[index].id for index in range(NUM_SAMPLES)]


def test_a_mixture_keeps_its_shares(corpus):
    tasks = Counter(s.provenance["task"] for s in islice(Mixture(corpus / "data", WEIGHTS, seed=3).samples(0), 4000))
    for task, weight in WEIGHTS.items():
        assert tasks[task] / 4000 == pytest.approx(weight, abs=0.025)  # three deviations of 4000 draws


def test_a_mixture_resumes_and_divides(corpus):
    def ids(start: int, count: int, rank: int = 0, world_size: int = 1) -> list[str]:
        mixture = Mixture(corpus / "data", WEIGHTS, seed=3)
        return [sample.id for sample in islice(mixture.samples(start, rank, world_size), count)]

    whole = ids(0, 60)
    assert ids(20, 40) == whole[20:]
    assert ids(0, 30, rank=0, world_size=2) == whole[0::2]
    assert ids(0, 30, rank=1, world_size=2) == whole[1::2]


def test_a_missing_folder_is_named(corpus):
    with pytest.raises(VL2Error, match=r"no folder for 'shape'.*Did you mean 'shapes'"):
        Mixture(corpus / "data", {"shape": 1.0}, seed=0)
