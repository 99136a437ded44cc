"""Prepared folders: where files beside the shards say which are shards, as Energon, MDS and our own runs leave them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.settings import load_yaml

_META, _SPLIT = ".nv-meta", "split.yaml"
_MOST_SHARDS = 1 << 22
_RANGE = re.compile(r"\{(\d{1,10})\.\.(\d{1,10})\}")


def is_energon(folder: Path) -> bool:
    """Tell whether the folder was prepared for megatron-energon."""
    return (folder / _META / _SPLIT).is_file()


def energon_shards(folder: Path, split: str = "train") -> list[Path]:
    """Return the tars of a split, in its order. Raises VL2Error on names that leave the folder."""
    told = load_yaml(folder / _META / _SPLIT)
    splits, left_out = told.get("split_parts"), told.get("exclude") or []
    if not isinstance(splits, dict) or not isinstance(splits.get(split), list) or not isinstance(left_out, list):
        raise VL2Error(str(folder / _META / _SPLIT), f"has no list of {split}", expected="split_parts: {train: [..]}")
    out = set(_names(left_out))
    if any(".tar/" in name for name in out):
        raise VL2Error(str(folder), "leaves out single rows, which is not read", do="Leave out whole shards.")
    shards = [folder / name for name in _names(splits[split]) if name not in out]
    inside = folder.resolve()
    for shard in shards:
        if not shard.resolve().is_relative_to(inside):
            raise VL2Error(str(folder), "a shard is not in it", got=repr(str(shard))[:80])
    return shards


def drop_lists(files: list[Path]) -> list[Path]:
    """Return the files that are records: without the list of MDS shards, and the manifest of a corpus run."""
    shards = [file for file in files if file.suffix == ".mds"]
    return shards or [file for file in files if not _is_manifest(file)]


def _is_manifest(file: Path) -> bool:
    return file.name == "manifest.jsonl" and (file.parent / "done").is_dir()  # a file of that name may be records


def _names(told: list[Any]) -> Iterator[str]:
    """Yield names, `{000..123}` spelled out. Raises VL2Error on too many."""
    number = 0
    for pattern in map(str, told):
        found = _RANGE.search(pattern)
        first, last = (int(found[1]), int(found[2])) if found else (0, 0)
        number += last - first + 1
        if number > _MOST_SHARDS or last < first:
            raise VL2Error(pattern[:80], "names too many shards, or none", expected=f"at most {_MOST_SHARDS}")
        for value in range(first, last + 1):
            yield (
                pattern
                if found is None
                else f"{pattern[: found.start()]}{value:0{len(found[1])}d}{pattern[found.end() :]}"
            )
