"""Shares of tokens are met within half a point over ten million of them, by the same rows in every run."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

import vl2
from tests.corpus.pipelines.fixtures import scenes
from tests.corpus.pipelines.untaught import solved
from vl2.core.errors import ConfigError
from vl2.core.sample import ImageSource, Sample
from vl2.corpus.gathering import Gathered, take
from vl2.corpus.ingest import ingest
from vl2.corpus.pipelines.mixture import Mixture, bins_kept, refuse_tokens, take_tokens
from vl2.corpus.pipelines.tokens import Tokens
from vl2.corpus.source import Source
from vl2.corpus.steps import STEPS
from vl2.processor import Processor

BLOCK = 1000


def row(number: int, tokens: int, has_picture: bool, source: str = "a") -> Sample:
    name = hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()
    images = (ImageSource(data=b""),) if has_picture else ()
    return Sample(name, (), images, provenance={"source": source}, quality={"tokens.all": tokens})


def mixed(rows: list[Sample], settings: Mixture, folder, block: int = BLOCK) -> list[Sample]:
    """Return what stays of rows, cut into blocks."""
    folder.mkdir()
    blocks = [rows[at : at + block] for at in range(0, len(rows), block)]
    gathering = STEPS["mixture"].gathering
    files = []
    for number, batch in enumerate(blocks):
        files.append(folder / f"{number}.npz")
        files[-1].write_bytes(take(gathering, settings, batch))
    gone = {(refusal.block, refusal.row) for refusal in refuse_tokens(Gathered(files), settings)}
    return [one for n, batch in enumerate(blocks) for place, one in enumerate(batch) if (n, place) not in gone]


def share_of(rows: list[Sample]) -> tuple[float, float]:
    tokens = sum(one.quality["tokens.all"] for one in rows)
    return sum(one.quality["tokens.all"] for one in rows if one.images) / tokens, tokens


@pytest.mark.parametrize("num_texts", [4_000, 40_000])  # the scarcer kind is text, then pictures
def test_ten_million_tokens_are_mixed_within_half_a_point(tmp_path, num_texts):
    dice = np.random.default_rng(num_texts)
    pictures = [row(n, int(t), True) for n, t in enumerate(dice.integers(200, 2200, 12_000))]
    texts = [row(1_000_000 + n, int(t), False) for n, t in enumerate(dice.integers(50, 1500, num_texts))]
    rows = pictures + texts
    kept = mixed(rows, Mixture(), tmp_path / "one")
    share, tokens = share_of(kept)
    assert abs(share - 0.7) < 0.005 and tokens > 10_000_000
    scarce = pictures if num_texts > 10_000 else texts
    assert {one.id for one in scarce} <= {one.id for one in kept}  # nothing of it is lost
    again = mixed(rows[::-1], Mixture(), tmp_path / "two", block=777)
    assert {one.id for one in again} == {one.id for one in kept}


def test_shares_of_sources_and_rows_without_one(tmp_path):
    rows = [row(n, 100, n % 2 == 0, "abc"[n % 3]) for n in range(9000)]
    kept = mixed(rows, Mixture(shares={"a": 3, "b": 1}), tmp_path / "one")
    counts = {name: sum(one.provenance["source"] == name for one in kept) for name in "abc"}
    assert counts["a"] == 3000 and abs(counts["b"] - 1000) <= 2 and counts["c"] == 0
    with pytest.raises(ConfigError, match="not positive"):
        take_tokens([], Mixture(shares={"text": 0.0}))


def test_a_kind_that_there_is_none_of_leaves_nothing():
    assert bins_kept(np.array([[3, 4], [0, 0]]), [0.5, 0.5]).tolist() == [0, 2]


def test_tokens_are_those_of_training():
    measured = Tokens()
    processor = Processor.from_directory(f"{vl2.__path__[0]}/pocket")
    for told in (scenes()[0], solved()[0]):
        sample = ingest(told, Source(name="a", path="", licence="MIT"))
        made = processor(sample, for_training=True, mask_prompt=True)
        found = measured.measure(sample)
        assert found["all"] == len(made.input_ids) and found["tiles"] == len(made.tiles)
        assert found["visual"] == int(made.image_mask.sum()) and found["learned"] == int((made.labels >= 0).sum())
