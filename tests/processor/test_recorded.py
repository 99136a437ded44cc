"""Equality 13: what the released code computed for these conversations, we compute too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from vl2.core.batch import ModelInput
from vl2.processor import Processor, messages_from_text
from vl2.processor.official import display_form

FIXTURES = Path(__file__).parents[1] / "fixtures" / "processor"
CHECKPOINTS = ("a_tiny_mha", "b_small_mla", "c_base_noaux", "d_qlora_yarn_group")  # d ships no VL2 tokens
PIXELS = json.loads((FIXTURES / "pixels.json").read_text())
BLANK = "f0a0e8d753bbee26646b9cedd3cad510258b922274c4085b8da7d4f08e4cca3f"  # the zero tile recorded for texts


@cache
def processor_of(checkpoint: str) -> Processor:
    return Processor.from_directory(FIXTURES / checkpoint)


@cache
def expected_of(checkpoint: str) -> dict:
    return json.loads((FIXTURES / checkpoint / "expected.json").read_text(encoding="utf-8"))


def recorded_cases() -> Iterator[tuple[str, str]]:
    for checkpoint in CHECKPOINTS:
        for name in expected_of(checkpoint)["cases"]:
            yield checkpoint, name


def expand(runs: list) -> list[int]:
    """Undo run lengths: [7, [3, 2]] is 7, 3, 3."""
    return [number for run in runs for number in ([run[0]] * run[1] if isinstance(run, list) else [run])]


def read_row(processor: Processor, row: dict, *, mask_prompt: bool = False) -> ModelInput:
    if "prompt" in row:
        return processor.from_prompt(row["prompt"], [FIXTURES / "images" / f"{name}.png" for name in row["images"]])
    names = [name for turn in row["conversation"] for name in turn.get("images", [])]
    return processor(
        messages_from_text(row["conversation"]),
        [FIXTURES / "images" / f"{name}.png" for name in names],
        for_training=row["for_training"],
        mask_prompt=mask_prompt,
    )


def spans_to_mask(spans: list[list[int]], length: int) -> list[bool]:
    places = {place for start, size in spans for place in range(start, start + size)}
    return [place in places for place in range(length)]


def recorded_hashes(result: ModelInput) -> list[str]:
    """Return the sha256 of each tile as recorded: an image of one tile stands there twice."""
    hashes: list[str] = []
    start = 0
    for grid in result.grids:
        tiles = result.tiles[start : start + grid.num_tiles]
        found = [hashlib.sha256(tile.numpy().tobytes()).hexdigest() for tile in tiles]
        hashes += found * 2 if grid.num_tiles == 1 else found
        start += grid.num_tiles
    assert start == len(result.tiles)
    return hashes


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_tokenizer_numbers(checkpoint):
    processor, recorded = processor_of(checkpoint), dict(expected_of(checkpoint)["tokenizer"])
    assert len(processor.tokenizer) == recorded.pop("len")
    assert (processor.bos_id, processor.eos_id, processor.pad_id) == tuple(
        recorded.pop(name) for name in ("bos", "eos", "pad")
    )
    assert {text: processor.tokenizer.id_of(text) for text in recorded} == recorded


@pytest.mark.parametrize(("checkpoint", "name"), list(recorded_cases()))
def test_conversation(checkpoint, name):
    processor = processor_of(checkpoint)
    hashes: list[str] = []
    for row in expected_of(checkpoint)["cases"][name]:
        result = read_row(processor, row)
        assert result.input_ids.tolist() == expand(row["input_ids"])
        assert result.image_mask.tolist() == spans_to_mask(row["images_seq_mask"], len(result.input_ids))
        assert [[grid.cols, grid.rows] for grid in result.grids] == row["grids"]
        if "target_ids" in row:
            assert result.labels.tolist() == expand(row["target_ids"])
        if "target_ids_mask_prompt_true" in row:
            masked = read_row(processor, row, mask_prompt=True)
            assert masked.labels.tolist() == expand(row["target_ids_mask_prompt_true"])
            assert masked.input_ids.equal(result.input_ids)
        hashes += recorded_hashes(result)
    assert hashes == [digest for digest in PIXELS[name] if digest != BLANK]


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_display_form(checkpoint):
    for rows in expected_of(checkpoint)["cases"].values():
        for row in rows:
            if "conversation" in row:
                form = display_form(row["conversation"], processor_of(checkpoint).tokenizer.eos_text)
                assert form == row["sft_format"]


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_decoded_answers(checkpoint):
    processor = processor_of(checkpoint)
    recorded = expected_of(checkpoint)["decoded"]
    assert len(recorded) > 10
    for ids, text in recorded:
        assert processor.decode(ids) == text
        stream = processor.stream_decoder()
        assert "".join(map(stream.push, ids)) + stream.finish() == text
