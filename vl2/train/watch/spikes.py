"""SpikeGuard: steps whose loss is no number, or far above the latest ones, are left out; too many of them end the run.

A step that is left out moves no weights: PaLM (arXiv 2204.02311, section 5.1) skips batches around a spike as well.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from vl2.core.errors import ConfigError, VL2Error

Verdict = Literal["apply", "skip", "stop"]


@dataclass(frozen=True, kw_only=True)
class SpikeLimits:
    """What counts as a spike, and how many are borne."""

    factor: float = 3.0  # times the running median, and
    least_rise: float = 0.5  # nats above it: small losses of easy data scatter by more than the factor
    window: int = 128  # steps that the median and the second bound look back
    fewest: int = 16  # losses before one is called a spike; what is no number is left out from the first step on
    most_in_a_row: int = 5
    most_in_window: int = 16

    def __post_init__(self) -> None:
        if self.factor <= 1 or self.least_rise < 0:
            raise ConfigError("factor", "a spike lies above the median", got=(self.factor, self.least_rise))
        if min(self.window, self.fewest, self.most_in_a_row, self.most_in_window) < 1:
            raise ConfigError("spikes", "bounds must be positive", got=self)


class SpikeGuard:
    """Judge steps before they move weights. Every process has to give it the same reduced figures."""

    def __init__(self, limits: SpikeLimits = SpikeLimits()) -> None:
        self.limits = limits
        self.reason = ""  # of the last verdict, when it was not to apply
        self._losses: deque[float] = deque(maxlen=limits.window)  # of applied steps
        self._left_out: deque[bool] = deque(maxlen=limits.window)
        self._in_a_row = 0

    def judge(self, loss: float, grad_norm: float) -> Verdict:
        """Say whether a step is applied or left out, or that the run should stop here; that step is left out too."""
        self.reason = self._fault(loss, grad_norm)
        self._left_out.append(bool(self.reason))
        if not self.reason:
            self._losses.append(loss)
            self._in_a_row = 0
            return "apply"
        self._in_a_row += 1
        limits = self.limits
        is_over = self._in_a_row >= limits.most_in_a_row or sum(self._left_out) >= limits.most_in_window
        return "stop" if is_over else "skip"

    def error(self, step: int, kept: str = "") -> VL2Error:
        """Return what to raise after a verdict to stop; `kept` is the file of the batch."""
        told = f"{self._in_a_row} in a row, {sum(self._left_out)} of the last {len(self._left_out)}"
        look = f" The last batch is in {kept}." if kept else ""
        return VL2Error(
            "training", f"too many steps were left out ({told})", got=f"at step {step}: {self.reason}",
            do=f"Lower the learning rate, or look at the data.{look}",
        )  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Return what a resume needs, as JSON values; `load_state` makes later verdicts the same."""
        left_out = [int(one) for one in self._left_out]
        return {"losses": list(self._losses), "left_out": left_out, "in_a_row": self._in_a_row}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state. Smaller windows keep the latest."""
        self._losses = deque(state["losses"], maxlen=self.limits.window)
        self._left_out = deque(map(bool, state["left_out"]), maxlen=self.limits.window)
        self._in_a_row = state["in_a_row"]

    def _fault(self, loss: float, grad_norm: float) -> str:
        for name, value in (("loss", loss), ("gradient norm", grad_norm)):
            if not math.isfinite(value):
                return f"the {name} is {value}"
        if len(self._losses) < self.limits.fewest:
            return ""
        middle = median(self._losses)
        if loss <= max(self.limits.factor * middle, middle + self.limits.least_rise):
            return ""
        return f"the loss {loss:.4g} is a spike above {middle:.4g}"
