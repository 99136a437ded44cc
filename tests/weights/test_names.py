"""The name table is a bijection on the key lists of the three released sizes."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest
import torch

from vl2.model import PRESETS, VL2
from vl2.weights.load import expected_tensors
from vl2.weights.names import RULES, Place, is_stacked, official_key, place_of

FIXTURE = Path(__file__).parents[1] / "fixtures" / "parity" / "official_keys.json"
NUM_TENSORS = {"tiny": 2582, "small": 5639, "base": 6973}
NUM_PARAMETERS = {"tiny": 3_370_501_440, "small": 16_148_349_504, "base": 27_480_134_248}


def official_shapes(size: str) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for pattern, shape, ranges in json.loads(FIXTURE.read_text(encoding="utf-8"))[size]:
        for numbers in itertools.product(*(range(first, last + 1) for first, last in ranges)):
            left = iter(numbers)
            shapes[re.sub("#", lambda _, left=left: str(next(left)), pattern)] = tuple(shape)
    return shapes


@pytest.mark.parametrize("size", NUM_TENSORS)
def test_every_official_tensor_has_one_place_of_its_shape(size):
    shapes = official_shapes(size)
    assert len(shapes) == NUM_TENSORS[size]
    with torch.device("meta"):
        model = VL2(PRESETS[size])
    assert sum(parameter.numel() for parameter in model.parameters()) == NUM_PARAMETERS[size]
    assert expected_tensors(model) == shapes

    places = {key: place_of(key) for key in shapes}
    assert len(set(places.values())) == len(shapes)
    assert all(place is not None and official_key(place) == key for key, place in places.items())
    assert {place.parameter for place in places.values() if place} == dict(model.named_parameters()).keys()


def test_only_experts_are_stacked():
    for place in map(place_of, official_shapes("base")):
        assert place is not None
        assert is_stacked(place.parameter) == (place.expert is not None)


def test_no_rule_is_written_twice():
    for side in zip(*RULES, strict=True):
        assert len(set(side)) == len(side)


@pytest.mark.parametrize(
    "key",
    ["language.model.layers.01.input_layernorm.weight", "language.model.layers.1.mlp.experts.x.up_proj.weight",
     "vision.blocks.0.norm3.weight", "image_newline.weight", "", "language.model.layers.1.mlp.gate.weight "],
)  # fmt: skip
def test_a_key_of_no_rule_has_no_place(key):
    assert place_of(key) is None


def test_places_read_as_they_are_written():
    place = place_of("language.model.layers.12.mlp.experts.7.down_proj.weight")
    assert place == Place("language.layers.12.mlp.routed_experts.down", 7)
    assert str(place) == "language.layers.12.mlp.routed_experts.down[7]"
