"""Rewards that can be checked: pure functions of an answer and the truth, in bounded time whatever an answer holds."""

from vl2.train.tuning.rewards.answer import DEFAULT_TOLERANCE, answer_reward, number_reward
from vl2.train.tuning.rewards.form import format_reward
from vl2.train.tuning.rewards.iou import iou_reward
from vl2.train.tuning.rewards.truth import Reward, Truth, truth_of

__all__ = [
    "DEFAULT_TOLERANCE",
    "Reward",
    "Truth",
    "answer_reward",
    "format_reward",
    "iou_reward",
    "number_reward",
    "truth_of",
]
