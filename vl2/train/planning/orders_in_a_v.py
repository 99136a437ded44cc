"""Schedules in a V: a process holds one stage on the way down and one on the way up, so that the last is the first too.

Zero-bubble V (arXiv 2401.10241, section 6) and DualPipe's V form (DeepSeek-V3, arXiv 2412.19437, and its repository).
"""

from __future__ import annotations

from collections import Counter, deque

from vl2.train.planning.passes import Op, OpKind


class _Passes:
    """The passes of a process, each kind numbered as it comes."""

    def __init__(self, rank: int, pp: int) -> None:
        self.down, self.up = rank, 2 * pp - 1 - rank
        self.ops: list[Op] = []
        self._counts: Counter[tuple[bool, int]] = Counter()
        self._weights: deque[Op] = deque()

    def forward(self, stage: int) -> None:
        self._add("forward", stage)

    def backward(self, stage: int) -> None:
        self._add("backward", stage)

    def input(self, stage: int) -> None:
        """Run the backward of inputs; that of weights waits."""
        self._add("input", stage)
        self._weights.append(Op("weight", stage, self.ops[-1].microbatch))

    def weight(self, stage: int | None = None) -> None:
        """Run the weights' backward that has waited longest, of a stage or of both."""
        found = next(op for op in self._weights if stage is None or op.stage == stage)
        self._weights.remove(found)
        self.ops.append(found)

    def split(self, stage: int) -> None:
        """Run both backward passes, one after the other."""
        self.input(stage)
        self.weight(stage)

    def num_forward(self, stage: int) -> int:
        return self._counts[True, stage]

    def num_waiting(self, stage: int | None = None) -> int:
        return sum(stage is None or op.stage == stage for op in self._weights)

    def _add(self, kind: OpKind, stage: int) -> None:
        key = (kind == "forward", stage)
        self.ops.append(Op(kind, stage, self._counts[key]))
        self._counts[key] += 1


def zero_bubble_in_a_v(rank: int, pp: int, microbatches: int) -> tuple[Op, ...]:
    """Return the order of a process; of fewer microbatches than fill the V, the others' passes are left out."""
    count = max(microbatches, 2 * pp - 1)
    passes, down, up = _warmed(rank, pp)
    for _ in range(pp - rank):
        passes.forward(up)
        passes.split(up)
    while passes.num_forward(up) < count:
        if passes.num_forward(down) < count:
            passes.forward(down)
        passes.split(down)
        passes.forward(up)
        passes.split(up)
    for _ in range(rank):
        passes.input(down)
        passes.input(up)
    for _ in range(pp - rank):
        passes.input(down)
        passes.weight(down)
    for stage in (up, down):
        while passes.num_waiting(stage):
            passes.weight(stage)
    return tuple(op for op in passes.ops if op.microbatch < microbatches)


def dual_pipe(rank: int, pp: int, microbatches: int) -> tuple[Op, ...]:
    """Return the order of a process. There must be two microbatches a process or more."""
    behind = pp - rank - 1
    passes, down, up = _warmed(rank, pp)
    for _ in range(behind):
        passes.forward(up)
        passes.split(up)
    passes.forward(up)
    while passes.num_forward(down) < microbatches:
        passes.forward(down)
        passes.backward(up)
        passes.forward(up)
        passes.backward(down)
    for _ in range(behind):
        passes.backward(up)
        passes.forward(up)
        passes.backward(down)
    for number in range(2 * (rank + 1)):  # the second half leaves its weights for the end
        stage = down if number % 2 else up
        (passes.backward if number <= rank else passes.input)(stage)
    for _ in range(behind):
        passes.weight()
        passes.input(down)
    while passes.num_waiting():
        passes.weight()
    return tuple(passes.ops)


def _warmed(rank: int, pp: int) -> tuple[_Passes, int, int]:
    """Return the passes until the first one comes back up, and the two stages."""
    passes = _Passes(rank, pp)
    for _ in range(2 * (pp - rank) - 1):
        passes.forward(passes.down)
    for _ in range(rank):
        passes.forward(passes.up)
        passes.forward(passes.down)
    return passes, passes.down, passes.up
