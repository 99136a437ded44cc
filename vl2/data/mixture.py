"""A mixture of shard folders by weight, deterministic in the seed and the sample's number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from vl2.core.errors import VL2Error, nearest
from vl2.core.sample import Sample
from vl2.data.shards import ShardFolder

DRAW_BLOCK = 4096  # draws made at once; also what a resume replays at once


class Mixture:
    """Endless samples of the folders under `root`, picked by `weights`; each folder is read in order, over and over."""

    def __init__(self, root: Path, weights: Mapping[str, float], seed: int) -> None:
        present = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
        for name in weights:
            if name not in present:
                raise VL2Error(
                    f"mixture {root}", f"no folder for {name!r}", got=", ".join(present), do=nearest(name, present)
                )
        self.names = sorted(name for name, weight in weights.items() if weight > 0)
        self.folders = {name: ShardFolder(root / name) for name in self.names}
        total = sum(weights[name] for name in self.names)
        self.shares = np.array([weights[name] / total for name in self.names])
        self.seed = seed

    def samples(self, start: int, rank: int = 0, world_size: int = 1) -> Iterator[Sample]:
        """Yield this rank's samples from number `start` on; ranks take turns."""
        read = np.zeros(len(self.names), dtype=np.int64)
        number = 0
        for block in self._draws():
            for choice in block:
                index = int(read[choice])
                read[choice] += 1
                if number >= start and number % world_size == rank:
                    folder = self.folders[self.names[choice]]
                    yield folder[index % len(folder)]
                number += 1

    def _draws(self) -> Iterator[np.ndarray]:
        generator = np.random.default_rng(self.seed)
        while True:
            yield generator.choice(len(self.names), size=DRAW_BLOCK, p=self.shares)
