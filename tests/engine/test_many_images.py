"""Thirty-two images in one chat: planned before anything is decoded, encoded in bounded groups, within the plan."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import vl2
from tests.engine import tiny
from vl2.core.errors import ConversationError, MemoryPreflightError
from vl2.core.tiles import TileGrid
from vl2.engine import encode, request_plan
from vl2.engine.assistant import Assistant
from vl2.engine.request_plan import check_request, plan_request
from vl2.model import PRESETS
from vl2.processor import Processor

ROOT = Path(__file__).parents[2]
MB = 1e6


def turn(images: list[object]) -> list[dict[str, object]]:
    parts: list[dict[str, object]] = [{"type": "image", "image": image} for image in images]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": "Which?"}]}]


def pictures(count: int) -> list[object]:
    random = np.random.default_rng(0)
    return [random.integers(0, 255, (40, 60, 3), dtype=np.uint8) for _ in range(count)]


@pytest.fixture(scope="module")
def assistant(tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    return vl2.load(tiny.write_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny"))


def plan(size: str = "tiny", num_images: int = 32, context_tokens: int = 14000, **changed):
    grids = [TileGrid(1, 1)] * num_images
    return plan_request(PRESETS[size], grids, context_tokens, **{"dtype": torch.bfloat16, **changed})


def test_the_parts_of_a_plan():
    found = plan(largest_pixels=12_000_000)
    assert (found.num_images, found.num_tiles, found.image_tokens) == (32, 32, 32 * 421)
    assert found.cache == 14000 * 12 * 2 * 1280 * 2
    assert found.features == 2 * 32 * 421 * 1280 * 2
    assert found.tiles == 2 * 32 * 3 * 384**2 * 4
    assert found.pixels == 96 * MB
    assert found.total == found.pixels + found.tiles + found.features + found.cache + found.scratch


def test_scratch_does_not_grow_with_the_number_of_images():
    assert len({plan(num_images=count, context_tokens=500).scratch for count in (16, 17, 32)}) == 1


def test_a_request_that_does_not_fit_is_refused_and_says_what_it_needs():
    check_request(plan(), plan().total)
    with pytest.raises(MemoryPreflightError) as caught:
        check_request(plan(), int(500 * MB))
    line = str(caught.value)
    assert "got 500 MB free" in line and "32 images, 32 tiles, 14000 tokens" in line and "cache 860 MB" in line


def test_a_chat_is_refused_before_an_image_is_decoded(assistant: Assistant, monkeypatch: pytest.MonkeyPatch):
    turns = turn(pictures(32))
    need = assistant.plan(turns, max_new_tokens=4)
    monkeypatch.setattr(Processor, "cut", None)
    monkeypatch.setattr(request_plan, "available_bytes", lambda device: need.total - 1)
    with pytest.raises(MemoryPreflightError, match="32 images, 32 tiles"):
        assistant.chat(turns, max_new_tokens=4)
    with pytest.raises(ConversationError, match="at most 32"):
        assistant.plan(turn(pictures(33)))


def test_tiles_are_encoded_in_bounded_groups(assistant: Assistant, monkeypatch: pytest.MonkeyPatch):
    groups: list[int] = []
    embed = assistant.model.embed_tiles

    def spy(tiles: torch.Tensor) -> torch.Tensor:
        groups.append(len(tiles))
        return embed(tiles)

    monkeypatch.setattr(assistant.model, "embed_tiles", spy)
    images = pictures(31)
    usage = assistant.chat(turn([*images, images[0]]), max_new_tokens=4).usage
    assert usage.image_tokens == 32 * 85
    assert groups == [encode.TILES_AT_ONCE, 15], "the image that stands there twice is encoded once"
    whole = np.random.default_rng(1).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    monkeypatch.setattr(encode, "TILES_AT_ONCE", 2)
    groups.clear()
    assistant.ask(whole, "What?", max_new_tokens=1)
    assert groups == [2, 2, 1], "one image of five tiles too"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak of a process from /proc")
@pytest.mark.parametrize("native", ["0", "1"])
def test_pocket_stays_within_its_plan(native: str):
    command = [sys.executable, "bench/many_images.py", "--images", "32"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "VL2_NATIVE": native}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout)
    assert (found["num_images"], found["image_tokens"]) == (32, 2720)
    assert found["grown_mb"] <= found["planned_mb"]
    if native == "0":  # what the sums describe; the native kernels need less, and so do first calls on some processors
        sums = found["planned_mb"] - request_plan.FIRST_CALLS_BYTES / MB
        assert sums <= 1.75 * found["grown_mb"]
