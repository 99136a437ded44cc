"""What a person sees of a run: lines that move on a terminal, plain ones now and then elsewhere. Both go to stderr."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vl2.train.watch.line import HELD_OUT, LogLine

GIGA, BAR_WIDTH = 1e9, 40
PAUSE_S = 10.0  # between two plain lines
MOST_OTHERS = 4  # figures that only this kind of run has, in a line
MINUTE, HOUR, DAY = 60, 3600, 86400


class Screen:
    """Shows lines; on a terminal the latest stays at the bottom, and what is worth keeping scrolls by."""

    def __init__(
        self, *, num_steps: int, first_step: int = 0, console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.console, self.clock = console or Console(stderr=True), clock
        self._next_s = -math.inf  # when the next plain line is due
        self._live: Live | None = None
        if self.console.is_terminal:
            first = _moving(LogLine(step=first_step, num_steps=num_steps))
            self._live = Live(first, console=self.console, auto_refresh=False)
            self._live.start()

    def write(self, line: LogLine) -> None:
        """Show a line."""
        for spike in line.spikes:
            self._print(f"step {spike.step} left out: {spike.reason}")
        held_out = list(_held_out(line))
        if self._live is not None:
            if held_out:
                self._print(f"step {line.step}: {', '.join(held_out)}")
            self._live.update(_moving(line), refresh=True)
        elif held_out or line.step == line.num_steps or self.clock() >= self._next_s:
            self._print(f"step {line.step} of {line.num_steps}: {', '.join(told_of(line))}")
            self._next_s = self.clock() + PAUSE_S

    def close(self) -> None:
        """Leave the last line where it stands."""
        if self._live is not None:
            self._live.stop()

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


def _moving(line: LogLine) -> Group:
    """Return how far a run is, and below it the figures of a line."""
    done = Table.grid(padding=(0, 1))
    done.add_row(
        f"{line.step}/{line.num_steps}", ProgressBar(total=line.num_steps, completed=line.step, width=BAR_WIDTH)
    )
    return Group(done, Text(", ".join(told_of(line)), style="dim"))


def told_of(line: LogLine) -> Iterator[str]:
    """Yield the figures of a line for people, the most wanted first."""
    if line.loss is not None:
        yield f"loss {line.loss:.4f}"
    yield from _held_out(line)
    own = [f"{name} {value:.3g}" for name, value in line.others.items() if not name.startswith(HELD_OUT)]
    yield from own[:MOST_OTHERS]
    if seconds := seconds_left(line):
        yield f"{duration(seconds)} left"
    if line.tokens_per_second:
        yield f"{line.tokens_per_second:,.0f} tokens/s"
    if line.tiles_per_second:
        yield f"{line.tiles_per_second:,.1f} tiles/s"
    if line.mfu is not None:
        yield f"MFU {line.mfu:.1%}"
    elif line.flops_per_second:
        yield f"{line.flops_per_second / GIGA:,.0f} GFLOP/s"
    if line.memory_bytes:
        yield f"{line.memory_bytes / GIGA:.1f} GB"
    if line.data_wait is not None:
        yield f"waits for data {line.data_wait:.0%}"
    if line.grad_norm is not None:
        yield f"gradient {line.grad_norm:.3g}"
    if line.max_violation is not None:
        yield f"MaxVio {line.max_violation:.2f}"
    if line.learning_rates:
        rates = {f"{rate:.2g}" for rate in line.learning_rates.values()}
        told = [f"{part} {rate:.2g}" for part, rate in line.learning_rates.items()] if len(rates) > 1 else rates
        yield f"rate {' '.join(told)}"
    if line.skipped:
        yield f"{sum(line.skipped.values()):,} samples skipped"


def _held_out(line: LogLine) -> Iterator[str]:
    if line.eval_loss is not None:
        yield f"{HELD_OUT}loss {line.eval_loss:.4f}"
    yield from (f"{name} {value:.3g}" for name, value in line.others.items() if name.startswith(HELD_OUT))


def seconds_left(line: LogLine) -> float | None:
    """Return how long the rest takes at the pace of this line's steps; None where it is not known."""
    if line.num_steps is None or not line.tokens_per_second or not line.tokens:
        return None
    return (line.num_steps - line.step) * line.tokens / line.tokens_per_second


def duration(seconds: float) -> str:
    """Return a time in its two largest units, such as 2 h 05 min."""
    whole = round(seconds)
    if whole >= DAY:
        return f"{whole // DAY} d {whole % DAY // HOUR:02d} h"
    if whole >= HOUR:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE:02d} min"
    return f"{whole // MINUTE} min {whole % MINUTE:02d} s" if whole >= MINUTE else f"{whole} s"
