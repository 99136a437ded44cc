"""Build what learning from rewards names."""

from __future__ import annotations

from collections.abc import Sequence

from vl2.data.records import RecordList, open_records
from vl2.train.tuning.policy_config import PolicyConfig
from vl2.train.tuning.policy_lesson import PolicyLesson
from vl2.train.tuning.rollout import Question, QuestionReader, Rollout
from vl2.train.tuning.source import MOST_HELD_OUT, Source, split
from vl2.train.tuning.tuned import open_tuned
from vl2.train.tuning.tuner import Tuner, steps_of


def build_policy(config: PolicyConfig, rollout: Rollout) -> Tuner:
    """Return a run with its model and its questions. Raises VL2Error on whatever the config names wrongly."""
    tuned = open_tuned(config)

    def source(samples: RecordList, rows: Sequence[int]) -> Source[Question]:
        reader = QuestionReader(samples=samples, processor=tuned.processor, max_tokens=tuned.context_size - 1)
        return Source(rows=rows, ready=reader, seed=config.seed)

    samples = open_records(config.data)
    rows, held_out = split(config, len(samples))
    learned = looked_at = source(samples, rows)
    if config.eval_data:
        others = open_records(config.eval_data)
        looked_at, held_out = source(others, ()), range(min(MOST_HELD_OUT, len(others)))
    num_steps = steps_of(config, len(rows), config.batch_size) * config.updates
    lesson = PolicyLesson(config, tuned, learned, looked_at.held_out(held_out), rollout, num_steps)
    return Tuner(config, tuned, lesson)
