"""Pool: adds up steps until they become one line."""

from __future__ import annotations

from collections import Counter

from torch import Tensor

from vl2.train.watch.figures import StepFigures
from vl2.train.watch.line import HELD_OUT, LogLine, Spike, even_shares, fewer_reasons
from vl2.train.watch.work import Meter


class Pool:
    """The steps since the last line; what is heavy in a line, the expert load, is told every `load_every` steps."""

    def __init__(self, *, num_steps: int, meter: Meter | None, load_every: int, seconds: float = 0.0) -> None:
        self.num_steps, self.meter, self.load_every = num_steps, meter, load_every
        self.seconds = seconds  # of the run so far
        self.load: Tensor | None = None  # [L, E]
        self.load_step: int | None = None  # the first that is in `load`
        self._clear()

    def add(self, figures: StepFigures) -> None:
        """Count one step in."""
        self.last = figures
        self.seconds += figures.seconds
        amounts = {"steps": 1, "seconds": figures.seconds, "data_wait_s": figures.data_wait_s}
        amounts |= {name: getattr(figures, name) for name in ("supervised_tokens", "tokens", "tiles")}
        self.sums.update(amounts | {"flops": self.meter.flops(figures) if self.meter else 0.0})
        if figures.max_violation is not None:
            self.sums.update({"violations": figures.max_violation, "routed_steps": 1})
        if figures.expert_load is not None:
            load = figures.expert_load.detach().double().cpu()  # [L, E]
            self.load = load if self.load is None else self.load + load
            self.load_step = figures.step if self.load_step is None else self.load_step
        if figures.left_out:
            self.spikes.append(
                Spike(step=figures.step, reason=figures.left_out, loss=figures.loss, grad_norm=figures.grad_norm)
            )
            return
        weight = figures.supervised_tokens or 1.0
        self.sums.update({"applied": 1, "weight": weight, "grad_norm": figures.grad_norm})
        self.sums.update({"loss": figures.loss * weight, "balance_loss": figures.balance_loss * weight})
        self.others.update({name: value * weight for name, value in figures.others.items()})
        self.other_weights.update(dict.fromkeys(figures.others, weight))

    def line(self) -> LogLine | None:
        """Return the line and begin the next one; None when no step was counted."""
        sums, last = self.sums, self.last
        if last is None:
            return None
        steps, seconds, weight, applied = sums["steps"], sums["seconds"], sums["weight"], sums["applied"]
        speed = sums["flops"] / seconds if seconds and sums["flops"] else None
        found = LogLine(
            step=last.step, num_steps=self.num_steps, steps=int(steps), seconds=self.seconds,
            loss=sums["loss"] / weight if weight else None,
            balance_loss=sums["balance_loss"] / weight if weight else None,
            grad_norm=sums["grad_norm"] / applied if applied else None,
            eval_loss=last.eval_loss, learning_rates=last.learning_rates,
            supervised_tokens=sums["supervised_tokens"] / steps, tokens=sums["tokens"] / steps,
            tiles=sums["tiles"] / steps,
            tokens_per_second=sums["tokens"] / seconds if seconds else None,
            tiles_per_second=sums["tiles"] / seconds if seconds else None,
            data_wait=sums["data_wait_s"] / seconds if seconds else None,
            flops_per_second=speed, mfu=self.meter.utilisation(speed) if self.meter and speed else None,
            memory_bytes=last.memory_bytes or None,
            max_violation=sums["violations"] / sums["routed_steps"] if sums["routed_steps"] else None,
            expert_load=self._take_load(last.step), skipped=fewer_reasons(last.skipped), spikes=tuple(self.spikes),
            others=self._means() | {HELD_OUT + name: value for name, value in last.held_out.items()},
        )  # fmt: skip
        self._clear()
        return found

    def _means(self) -> dict[str, float]:
        return {name: value / self.other_weights[name] for name, value in self.others.items()}

    def _take_load(self, step: int) -> list[list[float]]:
        is_due = self.load_step is not None and (step - self.load_step + 1 >= self.load_every or step >= self.num_steps)
        if self.load is None or not is_due:
            return []
        shares = even_shares(self.load)
        self.load, self.load_step = None, None
        return shares

    def _clear(self) -> None:
        self.sums: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        self.other_weights: Counter[str] = Counter()
        self.spikes: list[Spike] = []
        self.last: StepFigures | None = None
