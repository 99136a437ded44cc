"""A cache in 8 bits: half the memory, the same answers."""

from __future__ import annotations

import pytest

import vl2
from vl2.core.errors import ConfigError
from vl2.engine.engine import Engine, EngineSettings


def test_pocket_reads_and_finds_the_same(pytestconfig: pytest.Config) -> None:
    sign, shapes = (pytestconfig.rootpath / "examples" / name for name in ("sign.png", "shapes.png"))
    plain, small = vl2.load(), vl2.load(cache_dtype="int8")
    for assistant in (plain, small):
        assert assistant.read(sign).text.startswith("87.92")
    assert small.detect(shapes, "blue house").boxes == plain.detect(shapes, "blue house").boxes != ()


def test_another_type_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cache_dtype: unknown \(got 'int7'"):
        EngineSettings(cache_tokens=64, cache_dtype="int7")  # pyright: ignore[reportArgumentType]


def test_slots_are_smaller() -> None:
    assistant = vl2.load()
    sizes = [
        Engine(assistant.model, assistant.processor.tokenizer, settings).runner.cache.slots.nbytes
        for settings in (EngineSettings(cache_tokens=256), EngineSettings(cache_tokens=256, cache_dtype="int8"))
    ]
    assert sizes[1] < 0.85 * sizes[0]  # pocket's entries of 80 numbers are filled up to 128 bytes; Tiny's need 0.53
