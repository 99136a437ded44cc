"""Build what learning from preferences names."""

from __future__ import annotations

from collections.abc import Sequence

from vl2.train.tuning.pairs import Pair, PairList, PairReader
from vl2.train.tuning.preference import PreferenceLesson
from vl2.train.tuning.preference_config import PreferenceConfig
from vl2.train.tuning.source import Source, open_sources
from vl2.train.tuning.tuned import open_tuned
from vl2.train.tuning.tuner import Tuner, steps_of


def build_preference(config: PreferenceConfig) -> Tuner:
    """Return a run with its model and its pairs. Raises VL2Error on whatever the config names wrongly."""
    tuned = open_tuned(config)

    def source(pairs: PairList, rows: Sequence[int]) -> Source[Pair]:
        reader = PairReader(pairs=pairs, processor=tuned.processor, max_tokens=tuned.context_size)
        return Source(rows=rows, ready=reader, seed=config.seed)

    learned, looked_at = open_sources(config, PairList, source)
    num_steps = steps_of(config, len(learned.rows), config.batch_size)
    lesson = PreferenceLesson(config, tuned, learned, looked_at, num_steps)
    return Tuner(config, tuned, lesson)
