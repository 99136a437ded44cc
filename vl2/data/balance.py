"""Balance: every data-parallel rank encodes equally many tiles, give or take one (paper, section 4.2).

All tiles cost the same, so levelling whole numbers is the optimum: pixels travel before the vision tower, features
back after it. How they travel is given from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Send rows [M, ..]: `sends[r]` of them to rank r, in the order of ranks. Return what came, `receives[r]` from rank r.
Communicate = Callable[[Tensor, Sequence[int], Sequence[int]], Tensor]


@dataclass(frozen=True, kw_only=True)
class Move:
    """`num_tiles` tiles that `sender` has from number `first` on are encoded by `receiver`."""

    sender: int
    receiver: int
    first: int
    num_tiles: int


@dataclass(frozen=True, kw_only=True)
class LevelPlan:
    """Who encodes what: each rank keeps its first tiles and sends its last ones, to receivers in their order."""

    counts: tuple[int, ...]  # the tiles that each rank has
    quotas: tuple[int, ...]  # the tiles that it encodes
    moves: tuple[Move, ...]

    @property
    def largest(self) -> int:
        """Return the most tiles that a rank encodes."""
        return max(self.quotas)

    def sends(self, rank: int) -> list[int]:
        """Return how many tiles go from `rank` to each rank."""
        return self._flow(lambda move: (move.sender, move.receiver), rank)

    def receives(self, rank: int) -> list[int]:
        """Return how many tiles come to `rank` from each rank."""
        return self._flow(lambda move: (move.receiver, move.sender), rank)

    def _flow(self, ends: Callable[[Move], tuple[int, int]], rank: int) -> list[int]:
        flow = [0] * len(self.counts)
        for move in self.moves:
            here, there = ends(move)
            if here == rank:
                flow[there] += move.num_tiles
        return flow


def level(counts: Sequence[int]) -> LevelPlan:
    """Return the plan that levels the tiles of all ranks to within one, with the fewest tiles on the way.

    Every rank computes the same plan from the same counts.
    """
    least, extra = divmod(sum(counts), len(counts))
    fullest = sorted(range(len(counts)), key=lambda rank: (-counts[rank], rank))[:extra]  # they send one less
    quotas = [least + (rank in fullest) for rank in range(len(counts))]
    wanted = [[rank, quota - count] for rank, (count, quota) in enumerate(zip(counts, quotas, strict=True))]
    receivers = [entry for entry in wanted if entry[1] > 0]
    moves = []
    for sender, (count, quota) in enumerate(zip(counts, quotas, strict=True)):
        first = quota
        while first < count:
            entry = receivers[0]
            num_tiles = min(count - first, entry[1])
            moves.append(Move(sender=sender, receiver=entry[0], first=first, num_tiles=num_tiles))
            first += num_tiles
            entry[1] -= num_tiles
            if not entry[1]:
                receivers.pop(0)
    return LevelPlan(counts=tuple(counts), quotas=tuple(quotas), moves=tuple(moves))


def spread(tiles: Tensor, plan: LevelPlan, rank: int, communicate: Communicate) -> Tensor:
    """Return the tiles that this rank encodes: [counts[rank], ..] become [quotas[rank], ..]."""
    return _exchange(tiles, plan.sends(rank), plan.receives(rank), communicate)


def gather_back(features: Tensor, plan: LevelPlan, rank: int, communicate: Communicate) -> Tensor:
    """Return the features of this rank's own tiles in their order: [quotas[rank], ..] become [counts[rank], ..]."""
    return _exchange(features, plan.receives(rank), plan.sends(rank), communicate)


def _exchange(rows: Tensor, sends: list[int], receives: list[int], communicate: Communicate) -> Tensor:
    """Keep the first rows and send the last; all ranks take part, also those that have nothing to send."""
    num_kept = len(rows) - sum(sends)
    return torch.cat((rows[:num_kept], communicate(rows[num_kept:], sends, receives)))
