"""One comparison: how much was compared, how far apart it is, and how far apart it may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

# Float32 noise of the reference against float64 is below 7e-5 in logits of standard deviation 5.
STATE_BOUND = 2e-4  # vision, adaptor, embeddings and hidden states
LOGIT_BOUND = 5e-4
MARGIN_BOUND = 2 * LOGIT_BOUND  # a difference of two logits
LOSS_BOUND = 1e-4
GRADIENT_BOUND = 1e-3  # relative
INCOMPARABLE = 1e30  # shapes that differ and NaN; JSON has no infinity


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """One stage of one case. `worst` counts differing entries when the bound is 0."""

    stage: str
    case: str
    num_compared: int
    worst: float
    bound: float
    note: str = ""

    @property
    def is_ok(self) -> bool:
        """Tell whether everything lies within the bound; nothing compared and NaN are failures."""
        return self.num_compared > 0 and self.worst <= self.bound


@dataclass
class Comparison:
    """The results of one case as they come."""

    case: str
    results: list[StageResult] = field(default_factory=list)

    def add(self, stage: str, num_compared: int, worst: float, bound: float, note: str = "") -> None:
        """Add a result that was worked out elsewhere."""
        self.results.append(
            StageResult(stage=stage, case=self.case, num_compared=num_compared, worst=worst, bound=bound, note=note)
        )

    def exact(self, stage: str, ours: Any, theirs: Any) -> None:
        """Compare nested lists, strings or whole-number tensors entry by entry; a length that differs counts too."""
        left, right = list(_entries(ours)), list(_entries(theirs))
        differing = [place for place, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]]
        note = f"{left[differing[0]]!r} for {right[differing[0]]!r} at {differing[0]}" if differing else ""
        if len(left) != len(right):
            note = note or f"{len(left)} entries for {len(right)}"
        # an empty list that is expected to be empty is one agreement
        self.add(stage, max(len(right), 1), len(differing) + abs(len(left) - len(right)), 0, note)

    def close(self, stage: str, ours: Any, theirs: Any, bound: float) -> None:
        """Compare numbers by their largest absolute difference."""
        left, right = _numbers(ours), _numbers(theirs)
        if left.shape != right.shape:
            self.add(stage, right.numel(), INCOMPARABLE, bound, f"shape {list(left.shape)} for {list(right.shape)}")
            return
        self.add(stage, right.numel(), _largest(left - right), bound)

    def relative(self, stage: str, ours: Any, theirs: Any, *, floor: float, bound: float = GRADIENT_BOUND) -> None:
        """Compare numbers relative to theirs; those below `floor` are held against the floor."""
        left, right = _numbers(ours), _numbers(theirs)
        self.add(stage, right.numel(), _largest((left - right) / right.abs().clamp(min=floor)), bound)


def _entries(value: Any) -> Iterator[Any]:
    """Yield the leaves of nested lists; a dimension of a tensor is a list."""
    if isinstance(value, Tensor):
        value = value.tolist()
    if isinstance(value, list | tuple):
        for item in value:
            yield from _entries(item)
    else:
        yield value


def _numbers(value: Any) -> Tensor:
    return value.detach().double() if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)


def _largest(differences: Tensor) -> float:
    largest = differences.abs().max().item() if differences.numel() else 0.0
    return largest if largest == largest else INCOMPARABLE  # NaN is as wrong as can be
