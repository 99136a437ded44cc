"""Build what learning from rewards names."""

from __future__ import annotations

from collections.abc import Sequence

from vl2.data.records import RecordList, open_records
from vl2.train.tuning.policy_config import PolicyConfig
from vl2.train.tuning.policy_lesson import PolicyLesson
from vl2.train.tuning.rollout import Question, QuestionReader, Rollout
from vl2.train.tuning.source import Source, open_sources
from vl2.train.tuning.tuned import open_tuned
from vl2.train.tuning.tuner import Tuner, steps_of


def build_policy(config: PolicyConfig, rollout: Rollout) -> Tuner:
    """Return a run with its model and its questions. Raises VL2Error on whatever the config names wrongly."""
    tuned = open_tuned(config)

    def source(samples: RecordList, rows: Sequence[int]) -> Source[Question]:
        reader = QuestionReader(samples=samples, processor=tuned.processor, max_tokens=tuned.context_size - 1)
        return Source(rows=rows, ready=reader, seed=config.seed)

    learned, looked_at = open_sources(config, open_records, source)
    num_steps = steps_of(config, len(learned.rows), config.batch_size) * config.updates
    lesson = PolicyLesson(config, tuned, learned, looked_at, rollout, num_steps)
    return Tuner(config, tuned, lesson)
