"""Shards: write pocket samples as WebDataset tar files, in parallel and resumable."""

from __future__ import annotations

import json
import multiprocessing
import tarfile
from dataclasses import dataclass
from pathlib import Path

from vl2.core.sample import Sample, sample_to_dict
from vl2.corpus.pocket.canvas import Split
from vl2.corpus.pocket.draw import draw
from vl2.corpus.tar import add_file

DEFAULT_SHARD_SIZE = 2000


@dataclass(frozen=True)
class ShardJob:
    """One shard to write: samples `first` up to `stop` of a task."""

    path: Path
    task: str
    split: Split
    seed: int
    first: int
    stop: int


def write_shards(out_dir: str | Path, task: str, num_samples: int, *, seed: int, split: Split,
                 shard_size: int = DEFAULT_SHARD_SIZE, workers: int = 2) -> list[Path]:  # fmt: skip
    """Write `out_dir/<task>/000000.tar` and on; return all shards. Finished shards are kept as they are."""
    folder = Path(out_dir) / task
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [
        ShardJob(folder / f"{number:06d}.tar", task, split, seed, first, min(first + shard_size, num_samples))
        for number, first in enumerate(range(0, num_samples, shard_size))
    ]
    todo = [job for job in jobs if not job.path.exists()]
    if workers <= 1 or len(todo) <= 1:
        for job in todo:
            write_shard(job)
    else:
        with multiprocessing.get_context("spawn").Pool(min(workers, len(todo))) as pool:
            for _ in pool.imap_unordered(write_shard, todo):
                pass
    return [job.path for job in jobs]


def write_shard(job: ShardJob) -> None:
    """Write one shard under a temporary name and rename it when it is whole."""
    partial = job.path.with_name(job.path.name + ".incomplete")
    with tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as archive:
        for index in range(job.first, job.stop):
            add_sample(archive, draw(job.task, job.split, job.seed, index))
    partial.replace(job.path)


def add_sample(archive: tarfile.TarFile, sample: Sample) -> None:
    """Append `<id>.json` and `<id>.<k>.png` members."""
    record = json.dumps(sample_to_dict(sample), separators=(",", ":"), ensure_ascii=False).encode()
    add_file(archive, f"{sample.id}.json", record)
    for number, image in enumerate(sample.images):
        add_file(archive, f"{sample.id}.{number}.png", image.data or b"")
