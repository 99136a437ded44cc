"""Shards on disk: WebDataset tar files, `<id>.json` beside `<id>.<k>.png`, in one folder a task."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource, Sample, sample_from_dict

OPEN_SHARDS = 24  # shards kept in memory: about one for every task of a mixture


class ShardFolder:
    """All samples of a folder's `*.tar`, by number; every shard but the last holds equally many."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.glob("*.tar"))
        if not self.paths:
            raise VL2Error(str(folder), "no shards here", expected="*.tar files", do="Run `vl2 corpus draw` first.")
        self.shard_size = len(_read_shard(self.paths[0]))
        self.num_samples = self.shard_size * (len(self.paths) - 1) + len(_read_shard(self.paths[-1]))

    def __len__(self) -> int:
        return self.num_samples

    def __iter__(self) -> Iterator[Sample]:
        for path in self.paths:
            yield from _read_shard(path)

    def __getitem__(self, index: int) -> Sample:
        shard, place = divmod(index, self.shard_size)
        return _read_shard(self.paths[shard])[place]


@lru_cache(maxsize=OPEN_SHARDS)
def _read_shard(path: Path) -> list[Sample]:
    records: dict[str, dict[str, object]] = {}
    images: dict[str, dict[int, bytes]] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is None:
                continue
            key, _, ending = member.name.partition(".")
            if ending == "json":
                records[key] = json.load(file)
            else:
                images.setdefault(key, {})[int(ending.split(".")[0])] = file.read()
    return [sample_from_dict(record, _sources(record, images.get(key, {}))) for key, record in records.items()]


def _sources(record: dict[str, object], data: dict[int, bytes]) -> tuple[ImageSource, ...]:
    sizes = record["images"]
    return tuple(ImageSource(data=data[i], width=s["width"], height=s["height"]) for i, s in enumerate(sizes))  # type: ignore[arg-type, index]
