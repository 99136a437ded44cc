"""bfloat16 is computed in where the processor multiplies it; elsewhere float32, which is said once."""

from __future__ import annotations

import logging

import pytest
import torch

from vl2.core import precision
from vl2.core.precision import computed_in, multiplies_bfloat16


@pytest.mark.parametrize("is_fast", [True, False])
def test_float32_takes_the_place_of_slow_bfloat16(is_fast, monkeypatch, caplog):
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda device: is_fast)
    precision._say.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert [computed_in("bfloat16", "cpu") for _ in range(2)] == ["bfloat16" if is_fast else "float32"] * 2
        assert computed_in("float32", "cpu") == "float32"
    assert caplog.messages.count("This processor does not multiply bfloat16: computing in float32.") == (not is_fast)


def test_a_gpu_multiplies_it():
    assert multiplies_bfloat16(torch.device("cuda", 0)) and multiplies_bfloat16("cuda")
    assert isinstance(multiplies_bfloat16("cpu"), bool)
