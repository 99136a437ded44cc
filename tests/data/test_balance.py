"""Tiles are levelled to within one, moved as little as possible, and what comes back is in its place."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from vl2.data.balance import gather_back, level, spread

COUNTS = st.lists(st.integers(0, 30), min_size=1, max_size=12)


def transport(sent: list[tuple[torch.Tensor, list[int]]], receiver: int) -> torch.Tensor:
    """Return what one rank receives, when `sent` holds every rank's rows and how many go to each rank."""
    return torch.cat([rows.split(sends)[receiver] for rows, sends in sent])


def run_all(step, rows, plan):
    """Run `step` for every rank, as if all called at once: first note what each sends, then deliver."""
    sent = []

    def note(moving, sends, receives):
        sent.append((moving, list(sends)))
        return moving[:0]

    for rank, own in enumerate(rows):
        step(own, plan, rank, note)
    found = []
    for rank, own in enumerate(rows):
        found.append(step(own, plan, rank, lambda moving, sends, receives, rank=rank: transport(sent, rank)))
    return found


@given(COUNTS)
def test_ranks_are_level_and_no_tile_travels_in_vain(counts):
    plan = level(counts)
    assert sum(plan.quotas) == sum(counts) and max(plan.quotas) - min(plan.quotas) <= 1
    moved = sum(move.num_tiles for move in plan.moves)
    least = sum(counts) // len(counts)
    above = sum(max(0, count - least) for count in counts)
    below = sum(max(0, least - count) for count in counts)
    extra = sum(counts) % len(counts)
    # of those above, `extra` ranks may keep one more than the least
    keeping = min(extra, sum(count > least for count in counts))
    assert moved == max(above - keeping, below)
    for rank, count in enumerate(counts):
        assert count - sum(plan.sends(rank)) + sum(plan.receives(rank)) == plan.quotas[rank]


@given(COUNTS)
def test_what_was_sent_comes_back_in_order(counts):
    plan = level(counts)
    rows = [torch.arange(count) + 100 * rank for rank, count in enumerate(counts)]
    shares = run_all(spread, rows, plan)
    assert [len(share) for share in shares] == list(plan.quotas)
    assert sorted(torch.cat(shares).tolist()) == sorted(torch.cat(rows).tolist())
    for back, own in zip(run_all(gather_back, shares, plan), rows, strict=True):
        assert torch.equal(back, own)
