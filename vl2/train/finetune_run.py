"""Build what a fine-tuning names, and run it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from vl2.core.batch import ModelInput
from vl2.core.errors import ConfigError
from vl2.data.records import RecordList, open_records
from vl2.processor import Processor
from vl2.train.examples import Examples, Source
from vl2.train.finetune import Finetuner, Progress
from vl2.train.finetune_config import FinetuneConfig
from vl2.weights import find_checkpoint, load_model

MOST_HELD_OUT = 128  # samples that are looked at during training


def finetune(config: FinetuneConfig, show: Callable[[Progress], None] = lambda progress: None) -> Finetuner:
    """Run a fine-tuning, from where it stopped if it did. Raises VL2Error on whatever the config names wrongly."""
    tuner = build_finetuner(config)
    tuner.run(show)
    return tuner


def build_finetuner(config: FinetuneConfig) -> Finetuner:
    """Return a run with its model and its samples."""
    folder = find_checkpoint(config.model)
    processor = Processor.from_directory(folder)
    torch.manual_seed(config.seed)
    model = load_model(folder, device="cuda" if torch.cuda.is_available() else "cpu")
    context = model.config.language_config.max_position_embeddings

    def source(samples: RecordList, rows: Sequence[int], seed: int) -> Source:
        return Source(samples=samples, rows=rows, processor=processor, max_tokens=context, seed=seed)

    samples = open_records(config.data)
    rows, held_out = split(config, len(samples))
    new = replace(source(samples, rows, config.seed), is_augmented=config.augment)
    looked_at = new
    if config.eval_data:
        looked_at = source(open_records(config.eval_data), (), config.seed)
        held_out = range(min(MOST_HELD_OUT, len(looked_at.samples)))
    old, num_old = None, 0
    if config.replay:
        earlier = open_records(config.replay)
        old = source(earlier, range(len(earlier)), config.seed + 1)
        num_old = min(config.batch_size - 1, round(config.batch_size * config.replay_share))
    examples = Examples(new=new, old=old, num_old=num_old, batch_size=config.batch_size)
    return Finetuner(config, model, processor, examples, usable(looked_at, held_out))


def split(config: FinetuneConfig, num_samples: int) -> tuple[Sequence[int], Sequence[int]]:
    """Return the rows that are learned from, and those that are only looked at."""
    if config.eval_data:
        return range(num_samples), ()
    num_held_out = min(MOST_HELD_OUT, round(num_samples * config.eval_share))
    if not 0 < num_held_out < num_samples:
        raise ConfigError(
            "eval_share", "leaves no sample to look at, or none to learn from", got=config.eval_share,
            expected=f"a share of {num_samples} samples", do="Change it, or give --eval-data.",
        )  # fmt: skip
    order = torch.randperm(num_samples, generator=torch.Generator().manual_seed(config.seed)).tolist()
    return order[num_held_out:], order[:num_held_out]


def usable(source: Source, rows: Sequence[int]) -> list[ModelInput]:
    """Return those that the model can read. Raises ConfigError when there is none."""
    found = [ready for row in rows if (ready := source.read(row)) is not None]
    if not found:
        reasons = ", ".join(f"{number} x {reason}" for reason, number in source.skipped.items())
        raise ConfigError("data", "none of the held-out samples can be used", got=reasons, do="Correct the data.")
    return found
