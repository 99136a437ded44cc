"""Measure how full rows are, how even the tiles of data-parallel ranks are, and how well a mixture keeps its shares.

Works on sizes alone: 70 % of the tokens with pictures, 30 % of texts alone (paper, section 4.2), all 23 grids alike,
texts of log-normal length.
Usage: `python bench/packing.py [--rows 4000] [--tokens 10000000]`
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vl2.core.tiles import TileGrid, candidate_resolutions
from vl2.data.balance import level
from vl2.data.packing import PackLimits, Size, choose
from vl2.data.token_mixture import TokenMixture

WAITING = 64  # documents that wait for a row
SHARES = {"pictures": 0.7, "texts": 0.3}  # of the tokens; paper, section 4.2
TEXT_TOKENS = 660  # median; with it a row of 4096 tokens has about 8.5 tiles
TEXT_SPREAD = 0.9  # deviation of the logarithm
SHORTEST_TEXT, LONGEST_TEXT = 16, 4096
LONGEST_ANSWER = 1900  # beside a picture, so that every document fits a row
SIDE, TILE = 14, 384
RANKS = (8, 16, 64, 84)


@dataclass(frozen=True, kw_only=True)
class Filled:
    """Rows as they came out."""

    fill: float  # share of places that hold a token
    tiles: list[int]  # of each row


def realistic_sizes(seed: int) -> Iterator[Size]:
    """Yield documents as they come."""
    random = np.random.default_rng(seed)
    grids = [TileGrid(height // TILE, width // TILE) for width, height in candidate_resolutions(TILE)]
    mixture, served = TokenMixture(SHARES), dict.fromkeys(SHARES, 0)
    while True:
        name = mixture.next_source(served)
        text = round(random.lognormal(np.log(TEXT_TOKENS), TEXT_SPREAD))
        size = Size(tokens=int(np.clip(text, SHORTEST_TEXT, LONGEST_TEXT)))
        if name == "pictures":
            grid = grids[random.integers(len(grids))]
            tokens = grid.num_visual_tokens(SIDE) + min(size.tokens, LONGEST_ANSWER)
            size = Size(tokens=tokens, tiles=grid.num_tiles)
        served[name] += size.tokens
        yield size


def fill_of(documents: Iterator[Size], limits: PackLimits, num_rows: int) -> Filled:
    """Return how rows are filled."""
    waiting: list[Size] = []
    tokens, tiles = 0, []
    for _ in range(num_rows):
        waiting += [next(documents) for _ in range(WAITING - len(waiting))]
        chosen = choose(waiting, limits)
        tokens += sum(waiting[number].tokens for number in chosen)
        tiles.append(sum(waiting[number].tiles for number in chosen))
        waiting = [size for number, size in enumerate(waiting) if number not in set(chosen)]
    return Filled(fill=tokens / (num_rows * limits.tokens), tiles=tiles)


def imbalance(tiles: Sequence[int], num_ranks: int) -> tuple[float, float, int]:
    """Return max/mean over ranks, a row each, without and with levelling (means over steps), and max-min with it."""
    steps = np.array(tiles[: len(tiles) // num_ranks * num_ranks]).reshape(-1, num_ranks)
    levelled = np.array([level(step.tolist()).quotas for step in steps])
    mean = steps.mean(1)
    spread = int((levelled.max(1) - levelled.min(1)).max())
    return float((steps.max(1) / mean).mean()), float((levelled.max(1) / mean).mean()), spread


def mixture_error(num_tokens: int) -> float:
    """Return the largest error of a source's share of the tokens, in points."""
    served = dict.fromkeys(SHARES, 0)
    for size in realistic_sizes(seed=2):
        served["pictures" if size.tiles else "texts"] += size.tokens
        if sum(served.values()) >= num_tokens:
            break
    total = sum(served.values())
    return 100 * max(abs(served[name] / total - share) for name, share in SHARES.items())


def main() -> None:
    """Print the three figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--tokens", type=int, default=10_000_000)
    given = parser.parse_args()
    limits = PackLimits()
    found = fill_of(realistic_sizes(seed=0), limits, given.rows)
    print(f"fill {100 * found.fill:.2f} % of {given.rows} rows of {limits.tokens} tokens and {limits.tiles} tiles")
    print(f"tiles a row: mean {np.mean(found.tiles):.2f}, most {max(found.tiles)}")
    for num_ranks in RANKS:
        without, levelled, spread = imbalance(found.tiles, num_ranks)
        print(f"{num_ranks:3} ranks: max/mean {without:.2f} unbalanced, {levelled:.3f} balanced (max-min {spread})")
    error = mixture_error(given.tokens)
    print(f"mixture 70/30: error {error:.4f} points over {given.tokens:,} tokens")


if __name__ == "__main__":
    main()
