"""Compare two runs of one task: is the difference of their scores more than chance?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vl2.core.errors import VL2Error
from vl2.evaluation.results import Results, read_results
from vl2.evaluation.statistics import SEED, Totals, mcnemar, resample

NUM_RESAMPLES = 10_000  # a p-value needs more of them than an interval
RIGHT = 0.5  # credit from which an answer counts as right in McNemar's test


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The second run against the first, over the rows that both have."""

    task: str
    first: str  # model
    second: str
    num_rows: int
    num_groups: int
    num_left_out: int  # rows that only one of them has
    first_score: float
    second_score: float
    difference: float  # second - first
    low: float  # 95 %, by paired bootstrap over groups
    high: float
    p_bootstrap: float
    only_first: int  # rows that only the first got right
    only_second: int
    p_mcnemar: float

    @property
    def is_significant(self) -> bool:
        """Tell whether the interval of the difference leaves out zero."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        verdict = "significant" if self.is_significant else "not significant"
        return (
            f"{self.task}: {self.first} {self.first_score:.2f}, {self.second} {self.second_score:.2f}; difference "
            f"{self.difference:+.2f}, 95 % {self.low:+.2f} .. {self.high:+.2f}, p {self.p_bootstrap:.4f} (paired "
            f"bootstrap over {self.num_groups} groups): {verdict}. Rows: {self.num_rows}, only the first right "
            f"{self.only_first}, only the second {self.only_second}, p {self.p_mcnemar:.4f} (exact McNemar)"
            + (f"; {self.num_left_out} rows left out, they are not in both" if self.num_left_out else "")
            + "."
        )


def compare(first: Path, second: Path, *, seed: int = SEED) -> Comparison:
    """Compare two run folders. Raises VL2Error when they are not of one task and one way of scoring."""
    runs = read_results(first), read_results(second)
    _check_alike(*runs)
    totals = _shared_groups(*runs)
    credits = [{line.id: line.credit for line in run.lines} for run in runs]
    shared = [name for name in credits[0] if name in credits[1]]
    right = [np.array([own[name] >= RIGHT for name in shared], dtype=bool) for own in credits]
    scale = runs[0].scale
    scores = [own.headline(scale) for own in totals]
    ours, theirs = resample(totals, scale, num_resamples=NUM_RESAMPLES, seed=seed)
    low, high = np.quantile(theirs - ours, (0.025, 0.975))
    only_first, only_second = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    return Comparison(
        task=runs[0].summary.task, first=runs[0].summary.model, second=runs[1].summary.model, num_rows=len(shared),
        num_groups=len(totals[0].groups), num_left_out=len(credits[0].keys() ^ credits[1].keys()),
        first_score=scores[0], second_score=scores[1], difference=scores[1] - scores[0], low=float(low),
        high=float(high), p_bootstrap=_p_value(theirs - ours), only_first=only_first, only_second=only_second,
        p_mcnemar=mcnemar(only_first, only_second),
    )  # fmt: skip


def to_dict(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON has it."""
    return asdict(comparison) | {"is_significant": comparison.is_significant}


def _check_alike(first: Results, second: Results) -> None:
    for name in ("task", "dialect"):
        one, other = getattr(first.summary, name), getattr(second.summary, name)
        if one != other:
            raise VL2Error(f"the {name}s", "differ", got=f"{one} and {other}", do="Compare runs that are alike.")


def _shared_groups(first: Results, second: Results) -> list[Totals]:
    """Return the totals of the groups that both runs hold as a whole. Raises VL2Error when there are none."""
    whole = [Totals.of(run.counts) for run in (first, second)]
    parts = tuple(dict.fromkeys((*whole[0].parts, *whole[1].parts)))
    by_group = [_by_group(totals, parts) for totals in whole]
    shared = [
        name for name in by_group[0]
        if name in by_group[1] and np.array_equal(by_group[0][name][1], by_group[1][name][1])
    ]  # fmt: skip
    if not shared:
        raise VL2Error("the runs", "have no rows in common", do="Compare runs over the same data and split.")
    totals: list[Totals] = []
    for own in by_group:
        values, weights = (np.array([own[name][side] for name in shared]) for side in (0, 1))
        totals.append(Totals(groups=tuple(shared), parts=parts, values=values, weights=weights))
    return totals


def _by_group(totals: Totals, parts: tuple[str, ...]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the values [P] and weights [P] of each group in the order of `parts`."""
    places = [parts.index(name) for name in totals.parts]
    values, weights = (np.zeros((len(totals.groups), len(parts))) for _ in range(2))
    values[:, places], weights[:, places] = totals.values, totals.weights
    return {name: (values[row], weights[row]) for row, name in enumerate(totals.groups)}


def _p_value(differences: np.ndarray) -> float:
    """Return the two-sided share of resamples on the other side of zero, never below what so many can show."""
    number = len(differences)
    sides = (int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (min(sides) + 1) / (number + 1))
