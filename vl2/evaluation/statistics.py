"""How sure a score is: Wilson and normal intervals of means, and a bootstrap over groups for every headline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vl2.evaluation.standard_error import mean_stderr
from vl2.evaluation.task import Count

Z95 = 1.959963984540054  # of the normal distribution, two-sided 95 %
NUM_RESAMPLES, SEED = 2000, 20240
MOST_DRAWN = 4_000_000  # numbers drawn at once: 32 MB


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A score, its 95 % interval and its standard error, in the unit of the score."""

    score: float
    low: float
    high: float
    standard_error: float


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Counts summed up within groups: G groups, P parts."""

    groups: tuple[str, ...]
    parts: tuple[str, ...]
    values: np.ndarray  # [G, P]
    weights: np.ndarray  # [G, P]

    @classmethod
    def of(cls, counts: Sequence[Count]) -> Totals:
        """Sum up counts."""
        groups = {name: i for i, name in enumerate(dict.fromkeys(count.group for count in counts))}
        parts = {name: i for i, name in enumerate(dict.fromkeys(count.part for count in counts))}
        places = [groups[count.group] for count in counts], [parts[count.part] for count in counts]
        values, weights = (np.zeros((len(groups), len(parts))) for _ in range(2))
        np.add.at(values, places, [count.value for count in counts])
        np.add.at(weights, places, [count.weight for count in counts])
        return cls(groups=tuple(groups), parts=tuple(parts), values=values, weights=weights)

    @cached_property
    def means(self) -> np.ndarray:
        """Return the mean of each part [P]; of one without weight, 0."""
        return _ratio(self.values.sum(0), self.weights.sum(0), np.zeros(len(self.parts)))

    def headline(self, scale: float) -> float:
        """Return the sum over parts of scale x mean."""
        return float(scale * self.means.sum())

    def resampled(self, scale: float, drawn: np.ndarray) -> np.ndarray:
        """Return the headlines [R] of groups taken so often [R, G]; a part that lost all its groups keeps its mean."""
        return scale * _ratio(drawn @ self.values, drawn @ self.weights, self.means).sum(1)


def estimate(
    counts: Sequence[Count], scale: float, *, num_resamples: int = NUM_RESAMPLES, seed: int = SEED
) -> Estimate:
    """Return the headline of counts with the percentile interval of a bootstrap over their groups.

    Where every resample says the same (all right, all wrong, one group) the bootstrap sees no error at all: then the
    interval is Wilson's of each part over its groups, added up.
    """
    if not counts:
        return Estimate(score=0.0, low=0.0, high=0.0, standard_error=0.0)
    totals = Totals.of(counts)
    resampled = resample([totals], scale, num_resamples=num_resamples, seed=seed)[0]
    score = totals.headline(scale)
    if np.ptp(resampled) > 1e-9 * max(1.0, abs(score)):
        low, high = np.quantile(resampled, (0.025, 0.975))
        return Estimate(score=score, low=float(low), high=float(high), standard_error=float(resampled.std(ddof=1)))
    limits = [
        wilson(float(np.clip(mean, 0, 1)), int((totals.weights[:, part] > 0).sum()))
        for part, mean in enumerate(totals.means)
    ]
    low, high = (scale * sum(limit[side] for limit in limits) for side in (0, 1))
    return Estimate(score=score, low=low, high=high, standard_error=(high - low) / (2 * Z95))


def resample(
    runs: Sequence[Totals], scale: float, *, num_resamples: int = NUM_RESAMPLES, seed: int = SEED
) -> list[np.ndarray]:
    """Return the headlines [R] of each run over the same resampled groups; all runs have the same groups."""
    num_groups, rng = len(runs[0].groups), np.random.default_rng(seed)
    at_once = max(1, MOST_DRAWN // max(1, num_groups))
    pieces: list[list[np.ndarray]] = [[] for _ in runs]
    for start in range(0, num_resamples, at_once):
        rows = min(at_once, num_resamples - start)
        picked = rng.integers(0, num_groups, (rows, num_groups)) + np.arange(rows)[:, None] * num_groups
        drawn = np.bincount(picked.ravel(), minlength=rows * num_groups).reshape(rows, num_groups)
        for run, own in zip(runs, pieces, strict=True):
            own.append(run.resampled(scale, drawn.astype(np.float64)))
    return [np.concatenate(own) for own in pieces]


def wilson(mean: float, number: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share of `number` independent trials."""
    if not number:
        return 0.0, 1.0
    square = Z95 * Z95 / number
    middle = (mean + square / 2) / (1 + square)
    half = Z95 / (1 + square) * math.sqrt(mean * (1 - mean) / number + square / (4 * number))
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_estimate(values: Sequence[float], scale: float) -> Estimate:
    """Return the mean of independent values in 0..1: Wilson's interval where each is 0 or 1, else the normal one."""
    number, mean, error = len(values), float(np.mean(values)), mean_stderr(values)
    is_share = all(value in (0.0, 1.0) for value in values)
    low, high = wilson(mean, number) if is_share or not error else (mean - Z95 * error, mean + Z95 * error)
    return Estimate(
        score=scale * mean, low=scale * max(0.0, low), high=scale * min(1.0, high), standard_error=scale * error
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value of McNemar's test: of rows that only one of two models got right."""
    number, least = only_first + only_second, min(only_first, only_second)
    term = total = 1  # binomial coefficients, in whole numbers
    for k in range(1, least + 1):
        term = term * (number - k + 1) // k
        total += term
    return min(1.0, 2 * total / 2**number)


def _ratio(values: np.ndarray, weights: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """Return values over weights [.., P], and `otherwise` [P] where there is no weight."""
    has_weight = weights > 0
    return np.where(has_weight, values / np.where(has_weight, weights, 1.0), otherwise)
