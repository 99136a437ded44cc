"""The memory plan adds up, and what does not fit is refused before it is allocated."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.weights.checkpoints import RECORDED
from vl2.core.errors import MemoryPreflightError
from vl2.model import PRESETS
from vl2.weights import check_memory, load_model, plan_memory, preflight

GB = 10**9
PUBLISHED_BYTES = {"tiny": 6_741_002_880, "small": 32_296_699_008, "base": 54_960_268_496}


def plan(size: str = "tiny", **changed):
    return plan_memory(PRESETS[size], **{"dtype": torch.bfloat16, "context_tokens": 4096, "num_tiles": 10, **changed})


@pytest.mark.parametrize("size", PUBLISHED_BYTES)
def test_weights_are_the_published_bytes(size):
    assert plan(size).weights == PUBLISHED_BYTES[size]


def test_the_cache_is_an_entry_for_each_token_and_layer():
    assert plan("small").cache == 4096 * 27 * (512 + 64) * 2
    assert plan("tiny", batch=3).cache == 3 * 4096 * 12 * 2 * 1280 * 2


def test_the_total_is_the_sum():
    whole = plan()
    assert whole.total == whole.weights + whole.cache + whole.activations + whole.runtime


def test_a_plan_that_fits_passes():
    check_memory(plan(), plan().total)


def test_a_plan_that_does_not_fit_says_what_does():
    with pytest.raises(MemoryPreflightError) as caught:
        check_memory(plan(), 6 * GB)
    line = str(caught.value)
    assert "6.0 GB free" in line
    assert "weights 6.7 GB" in line
    assert "int8 weights" in line
    assert "bfloat16" not in line  # it is that already
    with pytest.raises(MemoryPreflightError, match="Use a smaller model"):
        check_memory(plan("base"), 6 * GB)


def test_a_model_that_does_not_fit_is_not_loaded(monkeypatch):
    monkeypatch.setattr(preflight, "available_bytes", lambda device: 1000)
    with pytest.raises(MemoryPreflightError):
        load_model(RECORDED / "b_small_mla" / "checkpoint")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


@pytest.fixture
def machine(monkeypatch, tmp_path) -> Path:
    monkeypatch.setattr(preflight, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(preflight, "CGROUP_OF_PROCESS", tmp_path / "self")
    monkeypatch.setattr(preflight, "CGROUP", tmp_path / "cgroup")
    write(tmp_path / "meminfo", "MemTotal:       8000000 kB\nMemAvailable:    5000000 kB\n")
    return tmp_path


def test_without_a_group_the_machine_decides(machine):
    assert preflight.available_bytes() == 5_000_000 * 1024


def test_the_tightest_group_decides(machine):
    write(machine / "self", "0::/outer/inner\n")
    write(machine / "cgroup" / "memory.max", "max\n")
    write(machine / "cgroup" / "outer" / "memory.max", str(3 * GB))
    write(machine / "cgroup" / "outer" / "memory.current", str(2 * GB))
    write(machine / "cgroup" / "outer" / "memory.stat", f"anon 5\ninactive_file {GB // 2}\n")
    write(machine / "cgroup" / "outer" / "inner" / "memory.max", "max\n")
    assert preflight.available_bytes() == 3 * GB - 2 * GB + GB // 2


def test_groups_of_version_1(machine):
    write(machine / "self", "9:cpu:/x\n4:memory:/box\n")
    write(machine / "cgroup" / "memory" / "box" / "memory.limit_in_bytes", str(2 * GB))
    write(machine / "cgroup" / "memory" / "box" / "memory.usage_in_bytes", str(GB))
    assert preflight.available_bytes() == GB


def test_activations_are_the_larger_of_tiles_and_tokens():
    vision = PRESETS["tiny"].vision_config
    a_tile = 3 * 16 * 729**2 * 2 + 6 * 729 * vision.width * 2
    assert plan(num_tiles=100).activations == 100 * a_tile
    scores, beside = 3 * 10 * 4096 * 2, 6 * 1280 * 2 + 4096 * 3
    assert plan(num_tiles=0).activations == 4096 * (scores + beside)


def test_a_prefill_in_steps_needs_less():
    assert plan(num_tiles=0, chunk_tokens=1024).activations == plan(num_tiles=0).activations // 4
    assert plan(num_tiles=0, chunk_tokens=10**6) == plan(num_tiles=0)
