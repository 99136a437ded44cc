"""Build what learning from preferences names."""

from __future__ import annotations

from collections.abc import Sequence

from vl2.train.tuning.pairs import Pair, PairList, PairReader
from vl2.train.tuning.preference import PreferenceLesson
from vl2.train.tuning.preference_config import PreferenceConfig
from vl2.train.tuning.source import MOST_HELD_OUT, Source, split
from vl2.train.tuning.tuned import open_tuned
from vl2.train.tuning.tuner import Tuner, steps_of


def build_preference(config: PreferenceConfig) -> Tuner:
    """Return a run with its model and its pairs. Raises VL2Error on whatever the config names wrongly."""
    tuned = open_tuned(config)

    def source(pairs: PairList, rows: Sequence[int]) -> Source[Pair]:
        reader = PairReader(pairs=pairs, processor=tuned.processor, max_tokens=tuned.context_size)
        return Source(rows=rows, ready=reader, seed=config.seed)

    pairs = PairList(config.data)
    rows, held_out = split(config, len(pairs))
    learned = looked_at = source(pairs, rows)
    if config.eval_data:
        others = PairList(config.eval_data)
        looked_at, held_out = source(others, ()), range(min(MOST_HELD_OUT, len(others)))
    num_steps = steps_of(config, len(rows), config.batch_size)
    lesson = PreferenceLesson(config, tuned, learned, looked_at.held_out(held_out), num_steps)
    return Tuner(config, tuned, lesson)
