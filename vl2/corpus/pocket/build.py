"""Build everything that pocket trains on and is measured on, from one recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vl2.core.settings import build, load_yaml, override
from vl2.corpus.pocket.canvas import Split
from vl2.corpus.pocket.figures import COLOURS, SHAPES
from vl2.corpus.pocket.shards import write_shards
from vl2.corpus.pocket.vocabulary import write_processor
from vl2.data.slots import FIGURES_FILE

HELDOUT_SHARD_SIZE = 300


@dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """A folder, and how many pictures of each task."""

    out: str
    seed: int
    train: dict[str, int]
    heldout_seed: int
    heldout: dict[str, int]
    shard_size: int = 2000


def build_corpus(recipe: str | Path, assignments: list[str], workers: int) -> Path:
    """Write `data/`, `heldout/` and `processor/` under the recipe's folder; what is there already is kept."""
    config = build(CorpusConfig, override(load_yaml(recipe), assignments), thing=str(recipe))
    out = Path(config.out)
    write_processor(out / "processor")
    splits: tuple[tuple[str, dict[str, int], int, Split, int], ...] = (
        ("data", config.train, config.seed, "train", config.shard_size),
        ("heldout", config.heldout, config.heldout_seed, "heldout", HELDOUT_SHARD_SIZE),
    )
    for folder, counts, seed, split, shard_size in splits:
        for task, count in counts.items():
            write_shards(out / folder, task, count, seed=seed, split=split, shard_size=shard_size, workers=workers)
    (out / "data").mkdir(exist_ok=True)  # nothing may have been drawn to train on
    (out / "data" / FIGURES_FILE).write_text("\n".join(figure_labels()) + "\n", encoding="utf-8")
    return out


def figure_labels() -> list[str]:
    """Return every label a figure can have, in a fixed order."""
    return [f"{colour} {shape}" for colour in COLOURS for shape in (*SHAPES, "bar")]
