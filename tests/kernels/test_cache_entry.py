"""Entries of a cache in 8 bits: the format. tests/weights/test_pack.py has the kernels that read it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vl2.core.errors import ConfigError
from vl2.kernels.cache_entry import entry_bytes, entry_group, read_entries, slot_bytes, store_entries
from vl2.model import PRESETS


@settings(deadline=None, max_examples=50)
@given(
    group=st.sampled_from((16, 32, 64)), count=st.integers(1, 6), groups=st.integers(1, 9),
    size=st.floats(1e-6, 1e6), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_a_number_is_off_by_half_a_step_at_most(group: int, count: int, groups: int, size: float, seed: int) -> None:
    entries = torch.randn(count, groups * group, generator=torch.Generator().manual_seed(seed)) * size
    slots = store_entries(entries, group)
    assert slots.shape == (count, slot_bytes(groups * group, group))
    assert slots.shape[1] % 64 == 0
    found = read_entries(slots, groups * group, group)
    most = entries.unflatten(-1, (-1, group)).abs().amax(-1, keepdim=True)
    # half a step of the scale, which bfloat16 may round up by 1/256, and float32's own rounding
    bound = most * 1.004 / 127 / 2 * (1 + 2**-8) * (1 + 1e-5)
    assert ((found - entries).unflatten(-1, (-1, group)).abs() <= bound).all()


def test_nothing_stays_nothing() -> None:
    entries = torch.zeros(2, 32)
    assert torch.equal(read_entries(store_entries(entries, 32), 32, 32), entries)


def test_the_group_divides_every_part() -> None:
    groups = {name: entry_group(PRESETS[name].language_config.cache_parts) for name in ("tiny", "small", "pocket")}
    assert groups == {"tiny": 64, "small": 64, "pocket": 16}
    with pytest.raises(ConfigError, match=r"int8 does not fit this model \(got entries of \[24, 8\] numbers"):
        entry_group((24, 8))


def test_half_the_memory() -> None:
    for name in ("tiny", "small"):
        config = PRESETS[name].language_config
        sizes = [entry_bytes(config.cache_width, config.cache_parts, dtype) for dtype in (torch.bfloat16, torch.int8)]
        assert 0.5 < sizes[1] / sizes[0] < 0.56
