"""Spikes are left out within bounds; a resumed guard judges as the first one would have; the batch is kept."""

from __future__ import annotations

import json
import math
import random

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from vl2.core.batch import Batch
from vl2.core.errors import ConfigError
from vl2.core.tiles import TileGrid
from vl2.train.watch import SpikeGuard, SpikeLimits, save_batch


def steady(guard: SpikeGuard, count: int = 32, loss: float = 2.0) -> SpikeGuard:
    assert all(guard.judge(loss + 0.01 * (step % 3), 1.0) == "apply" for step in range(count))
    return guard


@pytest.mark.parametrize("loss, norm", [(math.nan, 1.0), (math.inf, 1.0), (2.0, math.nan), (2.0, -math.inf)])
def test_what_is_no_number_is_left_out_from_the_first_step_on(loss, norm):
    guard = SpikeGuard()
    assert guard.judge(loss, norm) == "skip"
    assert "is nan" in guard.reason or "inf" in guard.reason


def test_a_spike_lies_above_the_median_by_the_factor_and_by_the_least_rise():
    guard = steady(SpikeGuard(SpikeLimits(factor=3.0)))
    assert guard.judge(5.9, 1.0) == "apply"
    assert guard.judge(6.1, 1.0) == "skip" and "spike above 2.01" in guard.reason
    assert guard.judge(2.0, 1e6) == "apply", "large gradients are clipped, not left out"
    low = steady(SpikeGuard(SpikeLimits(factor=3.0, least_rise=0.5)), loss=0.02)
    assert low.judge(0.5, 1.0) == "apply", "an easy task's losses scatter"
    assert low.judge(0.6, 1.0) == "skip"


def test_the_first_losses_are_no_spikes():
    guard = SpikeGuard(SpikeLimits(fewest=16))
    assert [guard.judge(loss, 1.0) for loss in (0.1, 9.0, 0.1, 30.0)] == ["apply"] * 4


def test_too_many_in_a_row_or_in_a_window_stop():
    guard = steady(SpikeGuard(SpikeLimits(most_in_a_row=3)))
    assert [guard.judge(math.nan, 1.0) for _ in range(3)] == ["skip", "skip", "stop"]
    message = str(guard.error(7, "stopped_batch.safetensors"))
    assert "3 in a row" in message and "at step 7: the loss is nan" in message and "stopped_batch" in message
    guard = steady(SpikeGuard(SpikeLimits(window=40, most_in_a_row=3, most_in_window=4)))
    verdicts = [guard.judge(math.nan if step % 2 else 2.0, 1.0) for step in range(8)]
    assert verdicts == ["apply", "skip"] * 3 + ["apply", "stop"]


def test_skips_leave_the_window_and_do_not_move_the_median():
    guard = steady(SpikeGuard(SpikeLimits(window=20, most_in_window=3)))
    for _ in range(10):
        assert guard.judge(50.0, 1.0) == "skip"
        steady(guard, 20)


def test_a_resumed_guard_judges_the_same():
    rng = random.Random(3)
    losses = [rng.choice((2.0, 2.0, 2.1, 1.9, 8.0, math.nan)) + 0.1 * rng.random() for _ in range(400)]
    limits = SpikeLimits(window=64, most_in_a_row=4, most_in_window=24)
    whole = SpikeGuard(limits)
    expected = [whole.judge(loss, 1.0) for loss in losses]
    assert {"apply", "skip", "stop"} == set(expected)
    for cut in (1, 17, 100, 333):
        first = SpikeGuard(limits)
        found = [first.judge(loss, 1.0) for loss in losses[:cut]]
        second = SpikeGuard(limits)
        second.load_state(json.loads(json.dumps(first.state())))
        assert found + [second.judge(loss, 1.0) for loss in losses[cut:]] == expected


def test_limits_that_make_no_sense_are_one_line():
    with pytest.raises(ConfigError, match="above the median"):
        SpikeLimits(factor=1.0)
    with pytest.raises(ConfigError, match="must be positive"):
        SpikeLimits(most_in_a_row=0)


def batch(tiles: int) -> Batch:
    ids = torch.arange(12).reshape(2, 6)
    return Batch(
        input_ids=ids, positions=ids, documents=torch.ones_like(ids), image_mask=ids > 8, labels=ids,
        tiles=torch.randn(tiles, 3, 8, 8), grids=(TileGrid(1, 2), TileGrid(1, 1)),
    )  # fmt: skip


def test_a_batch_is_kept_whole(tmp_path):
    given = batch(4)
    path = save_batch(tmp_path / "run", given, told={"step": "7"})
    kept = load_file(path)
    assert torch.equal(kept["tiles"], given.tiles) and torch.equal(kept["input_ids"], given.input_ids)
    assert kept["grids"].tolist() == [[1, 2], [1, 1]] and "visual_embeds" not in kept
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"step": "7"}
    assert [one.name for one in path.parent.iterdir()] == ["stopped_batch.safetensors"]


def test_a_large_batch_is_cut_to_a_bound(tmp_path):
    one_tile = 3 * 8 * 8 * 4
    path = save_batch(tmp_path, [batch(100), batch(5)], most_bytes=20 * one_tile)
    kept = load_file(path)
    assert kept["0.input_ids"].shape == (2, 6) and len(kept["1.tiles"]) == 5
    assert 0 < len(kept["0.tiles"]) < 15 and path.stat().st_size < 21 * one_tile
    with safe_open(path, "pt") as file:
        assert file.metadata()["0.tiles.cut"].endswith("of 100 rows")
    assert load_file(save_batch(tmp_path, batch(0)))["tiles"].shape == (0, 3, 8, 8)
