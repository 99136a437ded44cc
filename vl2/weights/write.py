"""Write a checkpoint directory: all of it or nothing, in one safetensors file or an index and shards."""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from vl2.core.disk import sync
from vl2.core.errors import WeightsError
from vl2.weights.stored import INDEX_FILE, SINGLE_FILE

CONFIG_FILE = "config.json"


class ShardWriter:
    """Write tensors into a directory as they come: one file, or an index and shards of at most `max_shard_bytes`.

    What was added and is not yet written is in memory; a larger tensor makes a shard of its own.
    """

    def __init__(self, directory: Path, max_shard_bytes: int) -> None:
        self.directory, self.max_shard_bytes = directory, max_shard_bytes
        self._waiting: dict[str, Tensor] = {}
        self._shards: list[list[str]] = []  # the keys of those that are written
        self._total_size = 0

    def add(self, key: str, tensor: Tensor) -> None:
        """Take one tensor."""
        if self._waiting and sum(map(_num_bytes, self._waiting.values())) + tensor.nbytes > self.max_shard_bytes:
            self._write()
        self._waiting[key] = tensor

    def close(self) -> None:
        """Write what is left, and the index; only now are the shards named, since they name their number."""
        self._write()
        if len(self._shards) == 1:
            self._draft(0).rename(self.directory / SINGLE_FILE)
            return
        weight_map: dict[str, str] = {}
        for number, keys in enumerate(self._shards):
            name = f"model-{number + 1:05d}-of-{len(self._shards):06d}.safetensors"
            self._draft(number).rename(self.directory / name)
            weight_map |= dict.fromkeys(keys, name)
        index = {"metadata": {"total_size": self._total_size}, "weight_map": weight_map}
        write_json(self.directory / INDEX_FILE, index)

    def _write(self) -> None:
        draft = self._draft(len(self._shards))
        save_file(self._waiting, draft, metadata={"format": "pt"})
        draft.chmod(0o644)  # safetensors makes it private
        self._shards.append(list(self._waiting))
        self._total_size += sum(map(_num_bytes, self._waiting.values()))
        self._waiting = {}

    def _draft(self, number: int) -> Path:
        return self.directory / f"{number}.part"


def copy_companions(source: Path, directory: Path) -> None:
    """Take over the tokenizer and processor files of a checkpoint."""
    for path in sorted(source.glob("*.json")):
        if path.name not in (CONFIG_FILE, INDEX_FILE):
            shutil.copyfile(path, directory / path.name)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write settings as the official files have them."""
    path.write_text(json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def new_directory(directory: Path) -> Iterator[Path]:
    """Give a draft directory that takes its final name when all went well, and vanishes when not."""
    directory = directory.resolve()  # behind links
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise WeightsError(str(directory), "holds something already", do="Choose a new directory.")
    if directory.is_mount() or directory == Path.cwd():
        raise WeightsError(str(directory), "cannot be replaced", do="Choose a new directory inside it.")
    draft = None
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", suffix=".part", dir=directory.parent))
        draft.chmod(0o755)  # mkdtemp makes it private
        yield draft
        for path in (*draft.iterdir(), draft):
            sync(path)
        draft.rename(directory)  # replaces an empty directory
        sync(directory.parent)
    except (OSError, SafetensorError) as error:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise WeightsError(
            str(directory), f"cannot be written: {str(error).splitlines()[0][:120]}",
            do="Free some disk space." if full or "No space" in str(error) else "Check the path and its rights.",
        ) from None
    finally:
        if draft is not None and draft.exists():
            shutil.rmtree(draft, ignore_errors=True)


def _num_bytes(tensor: Tensor) -> int:
    return tensor.nbytes
