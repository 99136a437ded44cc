"""Whatever a model prefers, its answer is JSON of the schema."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.tiny import byte_tokenizer, prompt, tiny_model
from vl2.core.errors import ConfigError, VL2Error
from vl2.engine import json_constraint
from vl2.engine.answer import generate
from vl2.engine.json_constraint import JsonVocabulary, constrain_json
from vl2.engine.json_schema import ANY_OBJECT
from vl2.engine.request import Request
from vl2.engine.sampler import Sampler, SamplingSettings
from vl2.processor.tokenizer import Tokenizer

pytest.importorskip("llguidance")

POCKET = Path(__file__).parents[2] / "vl2" / "pocket"
VOCAB_SIZE = 2048
NUM_ANSWERS = 100


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_directory(POCKET)


@pytest.fixture(scope="module")
def vocabulary(tokenizer) -> JsonVocabulary:
    return JsonVocabulary(tokenizer, VOCAB_SIZE)


RECEIPT = {
    "type": "object",
    "properties": {
        "shop": {"type": "string", "minLength": 1, "maxLength": 20},
        "items": {
            "type": "array", "minItems": 1, "maxItems": 3,
            "items": {
                "type": "object", "required": ["name", "price"], "additionalProperties": False,
                "properties": {"name": {"type": "string"}, "price": {"type": "number", "minimum": 0, "maximum": 99}},
            },
        },
        "kind": {"enum": ["paper", "photo", None]},
        "is_paid": {"type": "boolean"},
    },
    "required": ["shop", "items", "kind"], "additionalProperties": False,
}  # fmt: skip


def is_receipt(value: Any) -> bool:
    return (
        {"shop", "items", "kind"} <= value.keys() <= {"shop", "items", "kind", "is_paid"}
        and 1 <= len(value["shop"]) <= 20
        and 1 <= len(value["items"]) <= 3
        and all(item.keys() == {"name", "price"} and isinstance(item["name"], str) and 0 <= item["price"] <= 99
                for item in value["items"])
        and value["kind"] in ("paper", "photo", None)
        and isinstance(value.get("is_paid", True), bool)
    )  # fmt: skip


LIST = {"$ref": "#/$defs/list", "$defs": {"list": {
    "type": "object", "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/list"},
    {"type": "null"}]}}, "required": ["value", "next"], "additionalProperties": False}}}  # fmt: skip


def is_list(value: Any) -> bool:
    while value is not None:
        if value.keys() != {"value", "next"} or not isinstance(value["value"], int):
            return False
        value = value["next"]
    return True


SCHEMAS: dict[str, tuple[dict[str, Any], Callable[[Any], bool]]] = {
    "any object": (dict(ANY_OBJECT), lambda value: isinstance(value, dict)),
    "receipt": (RECEIPT, is_receipt),
    "list that holds itself": (LIST, is_list),
    "pattern": ({"type": "string", "pattern": "^[a-z]{2}-[0-9]{1,3}$"}, lambda value: "-" in value and len(value) < 7),
    "tens": ({"type": "integer", "multipleOf": 10, "minimum": 10, "maximum": 500},
             lambda value: value in range(10, 501, 10)),
}  # fmt: skip


def answer(vocabulary: JsonVocabulary, tokenizer: Tokenizer, schema: dict[str, Any], seed: int) -> str:
    """Answer with random logits that like what closes more and more."""
    generator = torch.Generator().manual_seed(seed)
    constraint = constrain_json(vocabulary, schema)
    settings = SamplingSettings(temperature=1.0, seed=seed) if seed % 2 else SamplingSettings()
    sampler = Sampler(settings, torch.tensor([0]), VOCAB_SIZE, constraint)
    closing = [tokenizer.eos_id, *(tokenizer.encode(text)[0] for text in ('"', "}", "]", ","))]
    null = tokenizer.encode("n")[0]  # ends a list that holds itself
    ids: list[int] = []
    while len(ids) < 2000:
        logits = torch.randn(VOCAB_SIZE, generator=generator)  # [V]
        logits[[*closing, null]] += len(ids) * 0.05
        ids.append(int(sampler.choose(logits)))
        if ids[-1] == tokenizer.eos_id:
            break
    assert ids[-1] == tokenizer.eos_id
    assert not tokenizer.special_ids & set(ids[:-1])
    return tokenizer.decode(ids[:-1])


@pytest.mark.parametrize("name", SCHEMAS)
def test_random_answers_are_json_of_their_schema(vocabulary, tokenizer, name):
    schema, is_right = SCHEMAS[name]
    for seed in range(NUM_ANSWERS):
        text = answer(vocabulary, tokenizer, schema, seed)
        assert is_right(json.loads(text)), text


def test_the_mask_is_as_wide_as_the_model(vocabulary, tokenizer):
    constraint = constrain_json(vocabulary, {"type": "string"})
    for token_id in tokenizer.encode('"a'):
        allowed = constraint.allowed()
        assert allowed.shape == (VOCAB_SIZE,) and allowed.dtype == torch.bool and allowed[token_id]
        constraint.accept(token_id)
    allowed = constraint.allowed()
    assert allowed.sum() > 1000
    assert not allowed[len(tokenizer) :].any() and not allowed[list(tokenizer.special_ids)].any()
    constraint.accept(tokenizer.encode('"')[0])
    assert constraint.allowed().nonzero().flatten().tolist() == [tokenizer.eos_id]
    constraint.accept(tokenizer.eos_id)
    assert constraint.allowed().nonzero().flatten().tolist() == [tokenizer.eos_id]


def test_answers_of_one_vocabulary_do_not_meet(vocabulary, tokenizer):
    first, second = constrain_json(vocabulary), constrain_json(vocabulary)
    first.accept(tokenizer.encode("{")[0])
    assert not second.allowed()[tokenizer.encode("}")[0]]
    with pytest.raises(VL2Error, match="may not come"):
        second.accept(tokenizer.encode("}")[0])


def test_a_random_model_answers_in_json():
    model, tokenizer = tiny_model(), byte_tokenizer()
    vocabulary = JsonVocabulary(tokenizer, model.config.language_config.vocab_size)
    schema = {"type": "object", "properties": {"a": {"enum": ["x", "yy"]}, "b": {"type": "boolean"}},
              "required": ["a", "b"], "additionalProperties": False}  # fmt: skip
    requests = [
        Request(
            prompt=prompt(tokenizer, "What?", seed=seed), constraint=constrain_json(vocabulary, schema),
            settings=SamplingSettings(max_new_tokens=300, temperature=1.0, seed=seed),
        )
        for seed in range(4)
    ]  # fmt: skip
    for found in generate(model, tokenizer, requests):
        assert found.finish_reason == "stop"
        assert json.loads(found.text).keys() == {"a", "b"}


def test_a_schema_that_takes_too_long_is_given_up(vocabulary, monkeypatch):
    monkeypatch.setattr(json_constraint, "COMPILE_SLICES", 1)
    monkeypatch.setattr(json_constraint, "SLICE_S", 0.01)
    monkeypatch.setattr(JsonVocabulary, "_compile", lambda self, schema: time.sleep(0.5) or "")
    for _ in range(2):  # the second waits for the first, and is given up too
        with pytest.raises(ConfigError, match="too long"):
            constrain_json(vocabulary)
    monkeypatch.undo()
    constrain_json(vocabulary)  # and then it goes on


def test_without_the_library(tokenizer, monkeypatch):
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(VL2Error, match=r"pip install 'vl2\[serve\]'"):
        JsonVocabulary(tokenizer, VOCAB_SIZE)


def test_a_model_smaller_than_its_tokenizer_is_refused(tokenizer):
    with pytest.raises(ConfigError, match="vocab_size"):
        JsonVocabulary(tokenizer, 1000)
