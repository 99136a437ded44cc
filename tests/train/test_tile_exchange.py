"""Four processes encode equal shares of tiles: features and gradients are those of each rank encoding its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from tests.processes import start
from vl2.train.tile_exchange import embed_balanced

WORLD = 4
TOLERANCE = 1e-6  # float32, sums over at most 17 tiles in another order
# one rank has nearly all, one none; fewer tiles than ranks; level already; no tiles at all
CASES = ([9, 0, 1, 7], [0, 2, 0, 0], [3, 3, 3, 3], [0, 0, 0, 0])


def tower() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 8), nn.GELU(), nn.Linear(8, 5))


def tiles_of(rank: int, count: int) -> Tensor:
    return torch.randn(count, 3, 4, 4, generator=torch.Generator().manual_seed(rank))


def loss_of(features: Tensor, rank: int) -> Tensor:
    weights = torch.arange(1.0, len(features) + 1)[:, None] + rank  # tells a tile's place and rank apart
    return (features * weights).sum() / 100


def worker(rank: int, folder: str) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=WORLD)
    found = []
    for counts in CASES:
        model, seen = tower(), []

        def embed(tiles: Tensor, model: nn.Module = model, seen: list[int] = seen) -> Tensor:
            seen.append(len(tiles))
            return model(tiles)

        features, plan = embed_balanced(tiles_of(rank, counts[rank]), embed)
        if plan.largest:
            loss_of(features, rank).backward()
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in model.parameters()]
        for gradient in gradients:
            dist.all_reduce(gradient)
        found.append((features.detach(), gradients, seen))
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exchange")
    start(worker, str(folder), count=WORLD)
    return [torch.load(folder / f"{rank}.pt") for rank in range(WORLD)]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_balanced_is_each_on_its_own(found, case):
    counts, model = CASES[case], tower()
    total = torch.zeros(())
    for rank, count in enumerate(counts):
        features, gradients, seen = found[rank][case]
        assert seen == ([-(-sum(counts) // WORLD)] if sum(counts) else [])
        if not sum(counts):
            assert len(features) == 0
            continue
        expected = model(tiles_of(rank, count))
        torch.testing.assert_close(features, expected.detach(), atol=TOLERANCE, rtol=0)
        total = total + loss_of(expected, rank)
    if not sum(counts):
        return
    total.backward()
    for rank in range(WORLD):
        for gradient, parameter in zip(found[rank][case][1], model.parameters(), strict=True):
            torch.testing.assert_close(gradient, parameter.grad, atol=TOLERANCE * 10, rtol=1e-5)
