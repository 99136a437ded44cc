"""Folders of our own shards: one sub-folder a task, each sample with its conversation and its answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vl2.data.shards import ShardFolder


def read_shards(path: Path, split: str) -> Iterator[Mapping[str, Any]]:
    """Yield the samples of all sub-folders, by name; `split` is the name of one of them."""
    for folder in sorted(folder for folder in path.iterdir() if folder.is_dir() and any(folder.glob("*.tar"))):
        if not split or folder.name == split:
            for sample in ShardFolder(folder):
                yield {"sample": sample}
