"""Standard errors of means, of independent values and of values in clusters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence


def mean_stderr(values: Sequence[float]) -> float:
    """Return the standard error of the mean of independent values; 0 for fewer than two."""
    size = len(values)
    if size < 2:
        return 0.0
    mean = sum(values) / size
    return (sum((value - mean) ** 2 for value in values) / (size - 1) / size) ** 0.5


def clustered_stderr(values: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """Return the standard error of the mean when values of one cluster are not independent (Miller, 2024).

    The variance of independent values, and what deviations within each cluster have in common.
    """
    if not values:
        return 0.0
    mean = sum(values) / len(values)
    sums: dict[Hashable, float] = defaultdict(float)
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] += value - mean
    alone = sum((value - mean) ** 2 for value in values)
    shared = sum(total * total for total in sums.values()) - alone
    return max(0.0, mean_stderr(values) ** 2 + shared / len(values) ** 2) ** 0.5
