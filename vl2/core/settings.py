"""Mappings into frozen dataclasses, strictly: an unknown key is an error that names the nearest valid one."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from vl2.core.errors import ConfigError, nearest

T = TypeVar("T")
MAX_SETTINGS_BYTES = 1 << 20  # a settings file is read whole


def build(cls: type[T], values: Mapping[str, Any], *, thing: str) -> T:
    """Build the dataclass `cls` from `values`; nested mappings become nested dataclasses.

    Raises ConfigError on an unknown key, a missing key or a value of the wrong type.
    """
    _refuse_unknown(cls, values, thing)
    try:
        return _adapter(cls).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            thing, f"{where or 'value'}: {first['msg']}", got=repr(first["input"])[:80], do="Correct this setting."
        ) from None


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Read one flat YAML mapping. Raises ConfigError when it is missing, too large or not a mapping."""
    path = Path(path)
    if not path.is_file():
        raise ConfigError(str(path), "no such settings file", do="Check the path.")
    if path.stat().st_size > MAX_SETTINGS_BYTES:
        raise ConfigError(str(path), "too large for settings", expected=f"at most {MAX_SETTINGS_BYTES} bytes")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), f"not YAML: {str(error).splitlines()[0]}", do="Correct the file.") from None
    if not isinstance(values, dict):
        raise ConfigError(str(path), "not a mapping", got=type(values).__name__, expected="key: value lines")
    return values


def load_json(path: str | Path, *, max_bytes: int = MAX_SETTINGS_BYTES) -> dict[str, Any]:
    """Read one JSON object of bounded size. Raises ConfigError when it is missing, too large or no JSON object."""
    path = Path(path)
    if not path.is_file():
        raise ConfigError(str(path), "no such file", do="Point at a folder that holds a whole checkpoint.")
    size = path.stat().st_size
    if size > max_bytes:
        raise ConfigError(str(path), "too large", got=size, expected=f"at most {max_bytes} bytes")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(str(path), f"not JSON: {str(error)[:80]}", do="Fetch the file again.") from None
    if not isinstance(values, dict):
        raise ConfigError(str(path), "not a mapping", got=type(values).__name__, expected="an object")
    return values


def override(values: Mapping[str, Any], assignments: list[str]) -> dict[str, Any]:
    """Apply `--set a.b=c` assignments; the value is read as YAML. Returns a new mapping."""
    result: dict[str, Any] = dict(values)
    for assignment in assignments:
        path, sign, text = assignment.partition("=")
        if not sign:
            raise ConfigError("--set", "no '=' in it", got=repr(assignment), expected="name=value")
        *parents, last = path.split(".")
        target = result
        for parent in parents:
            target[parent] = dict(target.get(parent) or {})
            target = target[parent]
        target[last] = yaml.safe_load(text)
    return result


@cache
def _adapter(cls: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(cls)  # making one takes milliseconds, and requests come with settings


def _refuse_unknown(cls: Any, values: Mapping[str, Any], thing: str) -> None:
    valid = {field.name: field for field in dataclasses.fields(cls)}
    for name, value in values.items():
        if name not in valid:
            raise ConfigError(
                thing, f"unknown field {name!r}", expected="one of " + ", ".join(valid), do=nearest(name, valid)
            )
        if isinstance(value, Mapping):
            nested = _nested(cls, name)
            if nested is not None:
                _refuse_unknown(nested, value, f"{thing}.{name}")


def _nested(cls: Any, name: str) -> Any:
    """Return the dataclass that the field holds, also when it is optional; None when it holds none."""
    hint = typing.get_type_hints(cls)[name]
    options = typing.get_args(hint) or (hint,)
    return next((option for option in options if dataclasses.is_dataclass(option)), None)
