"""A little corpus on disk, for the tests of data and training."""

from __future__ import annotations

from pathlib import Path

from vl2.corpus.pocket import write_shards
from vl2.corpus.pocket.build import figure_labels
from vl2.corpus.pocket.vocabulary import write_processor
from vl2.data.slots import FIGURES_FILE

TASKS = ("read_word", "shapes", "ground")
NUM_SAMPLES, SHARD_SIZE = 12, 5


def build_little_corpus(root: Path) -> Path:
    """Write twelve samples of three tasks, the figure labels and the processor files."""
    for task in TASKS:
        write_shards(root / "data", task, NUM_SAMPLES, seed=0, split="train", shard_size=SHARD_SIZE, workers=1)
    (root / "data" / FIGURES_FILE).write_text("\n".join(figure_labels()) + "\n", encoding="utf-8")
    write_processor(root / "processor")
    return root
