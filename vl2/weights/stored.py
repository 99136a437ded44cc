"""The tensors of a checkpoint directory, read one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vl2.core.errors import ConfigError, WeightsError
from vl2.core.settings import load_json

SINGLE_FILE, INDEX_FILE = "model.safetensors", "model.safetensors.index.json"
DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
MAX_INDEX_BYTES = 1 << 26  # quantised, the largest model has 14,000 tensors, a hundred bytes each
STORED_TYPES = {**DTYPES, "I8": torch.int8, "U8": torch.uint8}  # codes of quantised weights


@dataclass(frozen=True)
class Header:
    """What is known of a tensor before it is read."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def num_bytes(self) -> int:
        """Return the stored size."""
        return torch.Size(self.shape).numel() * self.dtype.itemsize


class StoredTensors:
    """Open safetensors files. Only headers are in memory until a tensor is read."""

    def __init__(self, files: dict[str, Any]) -> None:
        self._files = files  # the open file of every key
        self.headers = {key: _header(file, key) for key, file in files.items()}

    def read(self, key: str) -> Tensor:
        """Return one tensor as it is stored. Raises WeightsError when its bytes cannot be read."""
        try:
            return self._files[key].get_tensor(key)
        except (SafetensorError, OSError) as error:
            raise _broken(key, error) from None


@contextmanager
def open_tensors(directory: Path) -> Iterator[StoredTensors]:
    """Open the one file or the index and shards of a directory. Raises WeightsError when they are not whole."""
    with ExitStack() as stack:
        if (directory / INDEX_FILE).is_file():
            yield StoredTensors(_open_shards(directory, stack))
        elif (directory / SINGLE_FILE).is_file():
            file = _open(directory / SINGLE_FILE, stack)
            yield StoredTensors(dict.fromkeys(file.keys(), file))
        else:
            raise WeightsError(
                str(directory), "holds no weights", expected=f"{SINGLE_FILE} or {INDEX_FILE}",
                do="Point at a folder that holds a whole checkpoint.",
            )


@contextmanager
def open_file(path: Path) -> Iterator[StoredTensors]:
    """Open one safetensors file. Raises WeightsError when it is not there or not whole."""
    with ExitStack() as stack:
        file = _open(path, stack)
        yield StoredTensors(dict.fromkeys(file.keys(), file))


def _open_shards(directory: Path, stack: ExitStack) -> dict[str, Any]:
    """Return the open shard of every key. The index decides which shard a tensor is read from."""
    index = directory / INDEX_FILE
    try:
        weight_map = load_json(index, max_bytes=MAX_INDEX_BYTES).get("weight_map")
    except ConfigError as error:
        raise WeightsError(str(index), "cannot be read", got=error, do="Fetch the file again.") from None
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise WeightsError(str(index), "has no weight_map of file names", do="Fetch the file again.")
    shards: dict[str, Any] = {}
    for name in sorted(set(weight_map.values())):
        # an index comes from outside: it must not make us open files elsewhere
        if Path(name).name != name or "\\" in name or not name.endswith(".safetensors"):
            raise WeightsError(str(index), "names a file outside its folder", got=repr(name)[:80])
        shards[name] = _open(directory / name, stack)
    held = {name: set(shard.keys()) for name, shard in shards.items()}
    astray = [key for key, name in weight_map.items() if key not in held[name]]
    if astray:
        raise WeightsError(
            weight_map[astray[0]], f"lacks {len(astray)} of its tensors", got=f"no {astray[0]!r}",
            do="Fetch the shard and the index again.",
        )
    return {key: shards[name] for key, name in weight_map.items()}


def _open(path: Path, stack: ExitStack) -> Any:
    try:
        # pread: mapped pages would count as ours, and a model would seem to need twice its size
        return stack.enter_context(safe_open(str(path), framework="pt", backend="pread"))  # pyright: ignore[reportCallIssue]
    except FileNotFoundError:
        raise WeightsError(str(path), "no such file", do="Fetch the missing shard.") from None
    except (SafetensorError, OSError) as error:
        raise _broken(str(path), error) from None


def _header(file: Any, key: str) -> Header:
    stored = file.get_slice(key)
    name = stored.get_dtype()
    if name not in STORED_TYPES:
        expected = ", ".join(STORED_TYPES)
        raise WeightsError(key, "stored in a type that this model has not", got=name, expected=expected)
    return Header(tuple(stored.get_shape()), STORED_TYPES[name])


def _broken(thing: str, error: Exception) -> WeightsError:
    return WeightsError(thing, f"broken or cut off: {str(error).splitlines()[0][:120]}", do="Fetch the file again.")
