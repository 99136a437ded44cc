"""Build what a fine-tuning names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from vl2.core.batch import ModelInput
from vl2.data.records import RecordList, open_records
from vl2.train.tuning.examples import Examples, SampleReader
from vl2.train.tuning.finetune import AnswerLesson
from vl2.train.tuning.finetune_config import FinetuneConfig
from vl2.train.tuning.source import Source, open_sources
from vl2.train.tuning.tuned import Tuned, open_tuned
from vl2.train.tuning.tuner import Tuner, steps_of
from vl2.train.watch import Meter, peak_flops
from vl2.train.watch.work import HALVES


def build_finetuner(config: FinetuneConfig) -> Tuner:
    """Return a run with its model and its samples. Raises VL2Error on whatever the config names wrongly."""
    tuned = open_tuned(config)

    def source(samples: RecordList, rows: Sequence[int], *, seed: int, augment: bool) -> Source[ModelInput]:
        reader = SampleReader(
            samples=samples, processor=tuned.processor, max_tokens=tuned.context_size, seed=seed, is_augmented=augment
        )
        return Source(rows=rows, ready=reader, seed=seed)

    own = partial(source, seed=config.seed, augment=config.augment)  # what is looked at stays as it is
    new, looked_at = open_sources(config, open_records, own)
    old, num_old = None, 0
    if config.replay:
        earlier = open_records(config.replay)
        old = source(earlier, range(len(earlier)), seed=config.seed + 1, augment=False)
        num_old = min(config.batch_size - 1, round(config.batch_size * config.replay_share))
    examples = Examples(new=new, old=old, num_old=num_old, batch_size=config.batch_size)
    num_steps = steps_of(config, len(new.rows), config.batch_size - num_old)
    lesson = AnswerLesson(config, tuned, examples, looked_at, num_steps)
    return Tuner(config, tuned, lesson, meter_of(config, tuned))


def meter_of(config: FinetuneConfig, tuned: Tuned) -> Meter:
    """Return what counts the FLOPs of a fine-tuning's steps."""
    halves = {one.part if one.part in HALVES else "language" for one in tuned.moved}
    return Meter(
        config=tuned.model.config, weights=() if config.rank else halves, adapters=halves if config.rank else (),
        peak_flops=peak_flops(tuned.device, str(tuned.model.tile_newline.dtype).removeprefix("torch.")),
    )  # fmt: skip
