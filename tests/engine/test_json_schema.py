"""Schemas that are wrong or ask for too much: a reason, or bounded work."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch

from vl2.core.errors import ConfigError, VL2Error
from vl2.engine.json_constraint import JsonVocabulary, constrain_json
from vl2.engine.json_schema import MAX_BYTES, checked_schema
from vl2.processor.tokenizer import Tokenizer

pytest.importorskip("llguidance")

POCKET = Path(__file__).parents[2] / "vl2" / "pocket"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_directory(POCKET)


@pytest.fixture(scope="module")
def vocabulary(tokenizer) -> JsonVocabulary:
    return JsonVocabulary(tokenizer, 2048)


BAD = {
    "not an object": ([], "not a JSON object"),
    "an unknown type": ({"type": "strng"}, "strng"),
    "a keyword that is not held": ({"type": "array", "uniqueItems": True}, "uniqueItems"),
    "nothing fulfils it": ({"type": "integer", "minimum": 5, "maximum": 1}, "minimum"),
    "a reference to itself": ({"$ref": "#"}, "no answer fulfils it"),
    "references in a circle": ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
                               "no answer fulfils it"),
    "a reference to elsewhere": ({"$ref": "http://example.invalid/x.json"}, "example.invalid"),
    "a reference to nothing": ({"$ref": "#/$defs/x"}, "x"),
    "a wrong pattern": ({"type": "string", "pattern": "^(("}, "unclosed group"),
    "a pattern that looks ahead": ({"type": "string", "pattern": "^(?=a)"}, "look-a"),
    "not JSON": ({"enum": [{1, 2}]}, "not JSON"),
    "not a number": ({"maximum": float("nan")}, "not JSON"),
    "a number without end": ({"maximum": 10**5000}, "not JSON"),
    "another mapping": ({"properties": MappingProxyType({})}, "not JSON"),
    "half a character": ({"enum": ["\ud800"]}, "schema"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_schemas_are_refused_with_a_reason(vocabulary, name):
    schema, reason = BAD[name]
    with pytest.raises(ConfigError, match="^schema: ") as caught:
        constrain_json(vocabulary, schema)
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def nested(depth: int, key: str) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"type": "array", key: schema}
    return schema


def shared(depth: int) -> dict[str, Any]:
    """Return a small object that is 2^depth parts when written out."""
    part: Any = {"type": "integer"}
    for _ in range(depth):
        part = {"anyOf": [part, part]}
    return part


def circle() -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "array"}
    schema["items"] = schema
    return schema


def every(keyword: str, parts: int, choices: int) -> dict[str, Any]:
    names = [[f"p{part}{choice}" for choice in range(choices)] for part in range(parts)]
    return {"allOf": [{keyword: [{"properties": {name: {"type": "integer"}}} for name in part]} for part in names]}


REFUSED = {
    "deep": nested(100_000, "items"),
    "deep, as an example": {"const": nested(500, "x")},
    "shared": shared(40),
    "circle": circle(),
    "large": {"enum": ["x" * 100] * 1000},
    "one large string": {"const": "x" * (1 << 20)},
    "every choice of every part": every("anyOf", 12, 6),
    "one choice of every part": every("oneOf", 12, 6),
    "a large multiple": {"type": "integer", "multipleOf": 1_000_003},
    "a fraction of many digits": {"type": "number", "multipleOf": 0.1000003},
    "multiples that multiply": {"allOf": [{"type": "integer", "multipleOf": 997}, {"multipleOf": 1009}]},
    "a huge multiple": {"type": "integer", "multipleOf": 10**5000},
    "a multiple that is no number": {"type": "integer", "multipleOf": True},
    "a long pattern": {"type": "string", "pattern": "(a|b|c)?" * 8000},
    "many patterns": {"type": "object", "patternProperties": {f"^a{i}.*b{{1,50}}$": {} for i in range(400)}},
    "nested groups": {"type": "string", "pattern": "(" * 2000 + ")" * 2000},
}
BOUNDED = {
    "many properties": {"type": "object", "properties": {f"p{i}": {} for i in range(4000)}},
    "many that are required": {
        "type": "object", "properties": {f"p{i}": {"type": "integer"} for i in range(1000)},
        "required": [f"p{i}" for i in range(1000)],
    },
    "a long string": {"type": "string", "minLength": 10**9},
    "a long list": {"type": "array", "minItems": 10**9, "items": {"type": "integer"}},
    "repeated repeats": {"type": "string", "pattern": "^((.*x.*){1,100}y){1,100}$"},
    "a pattern of many states": {"type": "string", "pattern": "^(a|b)*a(a|b){200}$"},
    "a pattern of the longest kind": {"type": "string", "pattern": "(a|b|c)?" * 500},
    "references that double": {"$ref": "#/$defs/d0", "$defs": {
        **{f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(40)}, "d40": {"type": "integer"}}},
    "no end": {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]},
    "own options": {"x-guidance": {"whitespace_pattern": "(a{1000}){1000}", "lenient": True}, "type": "object"},
    "the largest multiple": {"type": "integer", "multipleOf": 9973},
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_schemas_are_refused_at_once(vocabulary, name):
    started = time.process_time()  # of all threads
    with pytest.raises(VL2Error, match="^schema: "):
        constrain_json(vocabulary, REFUSED[name])
    assert time.process_time() - started < 1


@pytest.mark.parametrize("name", BOUNDED)
def test_schemas_that_ask_for_much_stay_bounded(vocabulary, tokenizer, name):
    try:
        constraint = constrain_json(vocabulary, BOUNDED[name])
    except ConfigError as error:
        assert str(error).startswith("schema: ")
        return
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        started = time.thread_time()
        try:
            choices = constraint.allowed().nonzero().flatten()
            assert len(choices)
            token_id = int(choices[torch.randint(len(choices), (), generator=generator)])
            constraint.accept(token_id)
        except VL2Error as error:  # the library gave up: an answer that ended here would be taken for whole
            assert "too much work for this answer" in str(error)
            return
        finally:
            assert time.thread_time() - started < 1
        if token_id == tokenizer.eos_id:
            return


def test_schemas_as_text():
    schema = {"type": "object", "properties": {"multipleOf": {"enum": [1, "é", None, 2.5]}, "pattern": {}}}
    assert json.loads(checked_schema(schema)) == schema
    assert len(checked_schema({"const": "x" * (MAX_BYTES - 20)})) <= MAX_BYTES
