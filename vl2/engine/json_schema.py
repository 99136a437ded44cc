"""What a JSON schema may ask for: anyone may send one, and some are small and yet take minutes or gigabytes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from vl2.core.errors import ConfigError

ANY_OBJECT: Mapping[str, Any] = {"type": "object"}
MAX_BYTES = 64 << 10
MAX_DEPTH = 64
MAX_PATTERN_CHARACTERS = 4096  # of all patterns together: a mask takes time in their square
MAX_COMMON_MULTIPLE = 10_000  # of all `multipleOf`: an automaton has as many states; a million take 6 s and 300 MB


def checked_schema(schema: object) -> str:
    """Return a schema as text. Raises ConfigError when it is not JSON or beyond the bounds."""
    if not isinstance(schema, Mapping):
        raise ConfigError("schema", "not a JSON object", got=type(schema).__name__)
    num_pattern_characters, multiple = 0, 1
    for key, value in _members(schema):
        if key == "patternProperties" and isinstance(value, Mapping):
            num_pattern_characters += sum(len(str(pattern)) for pattern in value)
        elif key == "pattern" and isinstance(value, str):
            num_pattern_characters += len(value)
        elif key == "multipleOf" and isinstance(value, int | float) and value is not True:
            multiple = math.lcm(multiple, _without_point(value))
        _require(num_pattern_characters, MAX_PATTERN_CHARACTERS, "patterns are too long", "characters together")
        _require(multiple, MAX_COMMON_MULTIPLE, "multipleOf is too large", "as the common multiple of all")
    try:
        text = json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError("schema", f"not JSON: {error}") from None
    _require(len(text), MAX_BYTES, "too large", "bytes")
    return text


def _members(schema: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield every value and its key, up to the bounds: objects that hold themselves end there too."""
    size = 0
    waiting: list[tuple[str, object, int]] = [("", schema, 1)]
    while waiting:
        key, value, depth = waiting.pop()
        size += len(key) + (len(value) if isinstance(value, str) else 1)
        _require(size, MAX_BYTES, "too large", "bytes")
        _require(depth, MAX_DEPTH, "nested too deeply", "levels")
        yield key, value
        if isinstance(value, Mapping):
            waiting += [(str(name), part, depth + 1) for name, part in value.items()]
        elif isinstance(value, list | tuple):
            waiting += [("", part, depth + 1) for part in value]


def _without_point(value: float) -> int:
    """Return a number with its decimal point moved to its end; 1 for what is none, more than allowed for large ones."""
    if not 0 < value <= MAX_COMMON_MULTIPLE:
        return MAX_COMMON_MULTIPLE + 1 if value > 0 else 1
    _, digits, exponent = Decimal(str(value)).normalize().as_tuple()
    return int("".join(map(str, digits))) * 10 ** max(0, int(exponent))


def _require(found: int, most: int, problem: str, unit: str) -> None:
    if found > most:
        raise ConfigError("schema", problem, expected=f"at most {most} {unit}")
