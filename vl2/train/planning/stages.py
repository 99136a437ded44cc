"""Stage plans: units over the stages of a pipeline, the vision tower block by block (paper, section 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from vl2.core.errors import ConfigError
from vl2.train.planning.units import Unit


@dataclass(frozen=True, kw_only=True)
class StagePlan:
    """Which units each stage has, in order, and what it costs in any unit of work."""

    stages: tuple[tuple[Unit, ...], ...]
    costs: tuple[float, ...]

    @property
    def imbalance(self) -> float:
        """Return the costliest stage over the mean: what the pipeline loses to it, 1 when all are equal."""
        return max(self.costs) * len(self.costs) / sum(self.costs)

    @property
    def ends(self) -> tuple[int, ...]:
        """Return behind which unit each stage ends."""
        return tuple(accumulate(map(len, self.stages)))

    def __str__(self) -> str:
        return " | ".join(_shown(stage) for stage in self.stages)


def plan_stages(units: Sequence[Unit], num_stages: int, cost: Callable[[Unit], float]) -> StagePlan:
    """Return the contiguous split whose costliest stage is cheapest."""
    costs = [cost(unit) for unit in units]
    return _plan(units, costs, split(costs, num_stages))


def plan_with_whole_tower(units: Sequence[Unit], num_stages: int, cost: Callable[[Unit], float]) -> StagePlan:
    """Return the split of trainers that keep the vision tower whole, on the first stage: the plan to compare with."""
    costs = [cost(unit) for unit in units]
    num_blocks = sum(unit.kind == "block" for unit in units)
    rest = split(costs[num_blocks:], num_stages - 1)
    return _plan(units, costs, [num_blocks, *(num_blocks + end for end in rest)])


def split(costs: Sequence[float], num_parts: int) -> list[int]:
    """Return where each part ends: the largest part is as small as can be, and of such splits the most even one.

    Parts are contiguous and none is empty. Raises ConfigError on more parts than there are costs.
    """
    if not 1 <= num_parts <= len(costs):
        raise ConfigError("stages", "cannot be split so", got=num_parts, expected=f"1 to {len(costs)}")
    sums = [0.0]
    for cost in costs:
        sums.append(sums[-1] + cost)
    best: list[tuple[float, float, tuple[int, ...]]] = [
        (total, total**2, (end,)) for end, total in enumerate(sums) if end
    ]  # by end - 1: largest part, squares of all parts, ends
    for part in range(1, num_parts):
        longer = []
        for end in range(part + 1, len(costs) + 1):
            options = (
                (max(best[cut - part][0], sums[end] - sums[cut]), best[cut - part][1] + (sums[end] - sums[cut]) ** 2,
                 (*best[cut - part][2], end))
                for cut in range(part, end)
            )  # fmt: skip
            longer.append(min(options))
        best = longer
    return list(best[-1][2])


def _plan(units: Sequence[Unit], costs: Sequence[float], ends: Sequence[int]) -> StagePlan:
    parts = list(zip([0, *ends], ends, strict=False))
    return StagePlan(stages=tuple(tuple(units[a:b]) for a, b in parts), costs=tuple(sum(costs[a:b]) for a, b in parts))


def _shown(stage: Sequence[Unit]) -> str:
    """Name the units, blocks and layers as ranges."""
    words: list[str] = []
    for kind in dict.fromkeys(unit.kind for unit in stage):
        found = [unit for unit in stage if unit.kind == kind]
        several = kind in ("block", "layer") and len(found) > 1
        words.append(f"{kind}s {found[0].index}-{found[-1].index}" if several else found[0].name)
    return ", ".join(words)
