"""A recorded reference directory, with an account of what has been compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vl2.core.errors import VL2Error

Keys = tuple[str, ...]

# Recorded for the reader; there is nothing of ours to hold against it.
INFORMATIONAL: dict[Keys, str] = {
    ("summary",): "smallest margins of the recording",
    ("bf16",): "bfloat16 is dominated by routing flips",
    ("last_logits_bf16",): "bfloat16 is dominated by routing flips",
    ("gate_min_gap",): "how near the reference came to a routing tie",
    ("kv_cache_shapes",): "the layout of the reference's own cache",
    ("forward_without_position_ids_maxdiff",): "the reference against itself",
    ("batch", "images_seq_mask_dtype"): "a mistake of the reference",
    ("reference_runs_as_collated",): "a mistake of the reference",
    ("reference_error",): "a mistake of the reference",
    ("reference_trains_as_is",): "a mistake of the reference",
}


class Account:
    """Nested values, and which of them were asked for."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values
        self._taken: set[Keys] = set()

    def take(self, *path: str) -> Any:
        """Return the value at a path and count it, with all below it, as compared; None when it is not recorded."""
        value: Any = self._values
        for name in path:
            if not isinstance(value, dict) or name not in value:
                return None
            value = value[name]
        self._taken.add(path)
        return value

    def names(self) -> list[str]:
        """Return the names at the top; asking for them counts nothing as compared."""
        return list(self._values)

    def split(self) -> tuple[set[Keys], set[Keys]]:
        """Return the informational paths that are recorded, and those that nobody asked for."""
        informational: set[Keys] = set()
        forgotten: set[Keys] = set()
        for path in _leaves(self._values):
            prefixes = {path[:length] for length in range(1, len(path) + 1)}
            if prefixes & self._taken:
                continue
            known = prefixes & INFORMATIONAL.keys()
            (informational if known else forgotten).update(known or {path})
        return informational, forgotten


@dataclass(frozen=True)
class Case:
    """One recorded case: values of expected.json, tensors of expected.safetensors, pixels of all directories."""

    name: str
    values: Account
    tensors: Account
    pixels: list[dict[str, Any]] | None = None
    pixel_samples: Tensor | None = None

    def split(self) -> tuple[set[str], set[str]]:
        """Return the names of informational and of forgotten entries."""
        pairs = [account.split() for account in (self.values, self.tensors)]
        informational, forgotten = (set[Keys]().union(*paths) for paths in zip(*pairs, strict=True))
        return {".".join(path) for path in informational}, {".".join((self.name, *path)) for path in forgotten}


@dataclass(frozen=True)
class Recording:
    """A directory with checkpoint/, expected.json and expected.safetensors; images stand beside it."""

    directory: Path
    top: Account
    cases: list[Case] = field(default_factory=list)

    @property
    def checkpoint(self) -> Path:
        """Return the directory of the weights."""
        return self.directory / "checkpoint"

    def image(self, name: str) -> Path:
        """Return the path of a picture. Raises VL2Error when there is none."""
        folder = self.directory.parent / "images"
        for path in (folder / name, folder / f"{name}.png", *sorted(folder.glob(f"{name}.*"))):
            if path.is_file():
                return path
        raise VL2Error(str(folder / name), "no such picture", do="Put the recorded images beside the directory.")

    @classmethod
    def read(cls, directory: str | Path) -> Recording:
        """Read the expected files. Raises VL2Error when they are missing or broken."""
        directory = Path(directory).resolve()
        expected = _read_json(directory / "expected.json")
        if not isinstance(expected.get("cases"), dict):
            raise VL2Error(str(directory / "expected.json"), "has no cases", do="Point at a recorded directory.")
        tensors = _by_case(_read_tensors(directory / "expected.safetensors"), expected["cases"])
        pixels, samples = _read_pixels(directory.parent)
        cases = [
            Case(name, Account(values), Account(tensors[name]), pixels.get(name), samples.get(name))
            for name, values in expected["cases"].items()
        ]
        top = {name: value for name, value in expected.items() if name != "cases"}
        return cls(directory, Account(top), cases)


def _by_case(tensors: dict[str, Tensor], cases: dict[str, Any]) -> dict[str, dict[str, Tensor]]:
    """Sort `case.name` keys into cases; a tensor of no case is an error."""
    found: dict[str, dict[str, Tensor]] = {name: {} for name in cases}
    for key, tensor in tensors.items():
        case, _, name = key.partition(".")
        if case not in found:
            raise VL2Error("expected.safetensors", "holds a tensor of no case", got=key, do="Record both together.")
        found[case][name] = tensor
    return found


def _read_pixels(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    hashes, samples = folder / "pixels.json", folder / "pixels.safetensors"
    return (
        _read_json(hashes) if hashes.is_file() else {},
        _read_tensors(samples) if samples.is_file() else {},
    )


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise VL2Error(str(path), f"cannot be read: {error}", do="Point at a recorded directory.") from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise VL2Error(str(path), f"cannot be read: {error}", do="Point at a recorded directory.") from None


def _leaves(value: Any, path: Keys = ()) -> Iterator[Keys]:
    """Yield the paths of everything recorded; None means not recorded."""
    if isinstance(value, dict) and path not in INFORMATIONAL:
        for name, below in value.items():
            yield from _leaves(below, (*path, name))
    elif value is not None:
        yield path
