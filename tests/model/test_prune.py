"""Pruning keeps the thumbnail, every tile_newline and the tokens that are least alike, the same ones every time."""

from __future__ import annotations

import pytest
import torch

from vl2.core.tiles import TileGrid
from vl2.model import prune
from vl2.model.adaptor import layout
from vl2.model.prune import keep_distinct

SIDE, WIDTH = 4, 8
NEWLINE, SEPARATOR = torch.full((WIDTH,), 100.0), torch.full((WIDTH,), 200.0)


def random_tokens(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


def test_one_of_each_kind_stays_before_any_is_kept_twice():
    kinds = torch.eye(WIDTH)[:5]
    tokens = kinds[[0, 0, 1, 1, 1, 2, 0, 3, 3, 4]]
    kept = keep_distinct(tokens, 5)
    assert kept.tolist() == [0, 2, 5, 7, 9]  # the first of each kind
    assert keep_distinct(tokens, 7).tolist() == [0, 1, 2, 3, 5, 7, 9]


def test_every_choice_contains_the_smaller_ones():
    tokens = random_tokens(40)
    sets = [set(keep_distinct(tokens, count).tolist()) for count in range(1, 41)]
    assert [len(one) for one in sets] == list(range(1, 41))
    assert all(one < other for one, other in zip(sets, sets[1:], strict=False))


def test_the_next_one_is_the_farthest_from_those_before_it():
    unit = torch.nn.functional.normalize(random_tokens(30), dim=-1)
    likeness = unit @ unit.T
    before = set(keep_distinct(unit, 9).tolist())
    (chosen,) = set(keep_distinct(unit, 10).tolist()) - before
    nearest = likeness[:, sorted(before)].amax(1)
    others = [place for place in range(30) if place not in before]
    assert nearest[chosen] <= nearest[others].min() + 2**-9


def test_rounding_noise_decides_nothing():
    tokens = random_tokens(12)[torch.arange(60) % 12]
    noise = 1e-6 * random_tokens(60, seed=1)
    assert torch.equal(keep_distinct(tokens, 30), keep_distinct(tokens + noise, 30))
    assert torch.equal(keep_distinct(tokens, 30), keep_distinct(3 * tokens, 30))  # direction counts, not length


def test_many_tokens_are_compared_part_by_part(monkeypatch):
    tokens = random_tokens(50)
    monkeypatch.setattr(prune, "MOST_TOGETHER", 20)
    kept = keep_distinct(tokens, 25)
    assert kept.tolist() == sorted(set(kept.tolist())) and len(kept) == 25
    assert [int(((kept >= start) & (kept < start + 20)).sum()) for start in (0, 20, 40)] == [10, 10, 5]
    assert torch.equal(kept[:10], keep_distinct(tokens[:20], 10))
    assert [len(keep_distinct(tokens, count)) for count in (1, 2, 49, 50)] == [1, 2, 49, 50]


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (3, 2)])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.999, 1.0])
def test_thumbnail_and_newlines_stay(shape, share):
    whole, grid = TileGrid(*shape), TileGrid(*shape, kept_share=share)
    embeds = random_tokens(whole.num_tiles * SIDE * SIDE).view(-1, SIDE * SIDE, WIDTH)
    plain, pruned = (layout(embeds, [one], NEWLINE, SEPARATOR) for one in (whole, grid))
    assert len(pruned) == grid.num_visual_tokens(SIDE)
    start = SIDE * (SIDE + 1) + 1
    assert torch.equal(pruned[:start], plain[:start])
    assert int((pruned[start:] == NEWLINE).all(1).sum()) == grid.rows * SIDE
    rest = [place for place in range(start, len(plain)) if not torch.equal(plain[place], NEWLINE)]
    order = [place for token in pruned[start:] for place in rest if torch.equal(plain[place], token)]
    assert order == sorted(order), "in order of reading"
    assert len(order) >= grid.num_kept(SIDE) == max(1, round(share * whole.num_local_tiles * SIDE * SIDE))
    rows = pruned[start:].split([count + 1 for count in kept_in_rows(pruned[start:])])
    assert all(torch.equal(row[-1], NEWLINE) for row in rows)
    if share == 1:
        assert torch.equal(pruned, plain)


def kept_in_rows(local: torch.Tensor) -> list[int]:
    ends = (local == NEWLINE).all(1).nonzero().flatten().tolist()
    return [end - before - 1 for before, end in zip([-1, *ends], ends, strict=False)]
