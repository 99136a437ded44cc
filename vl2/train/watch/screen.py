"""What a person sees of a run: a line that moves on a terminal, plain lines elsewhere. Both go to stderr."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vl2.train.watch.line import LogLine

GIGA, BAR_WIDTH = 1e9, 40
MINUTE, HOUR, DAY = 60, 3600, 86400


class Screen:
    """Shows lines; on a terminal the latest stays at the bottom, and what is worth keeping scrolls by."""

    def __init__(self, *, num_steps: int, first_step: int = 0, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._live: Live | None = None
        if self.console.is_terminal:
            first = _moving(LogLine(step=first_step, num_steps=num_steps))
            self._live = Live(first, console=self.console, auto_refresh=False)
            self._live.start()

    def write(self, line: LogLine) -> None:
        """Show a line."""
        for spike in line.spikes:
            self._print(f"step {spike.step} left out: {spike.reason}")
        if self._live is None:
            self._print(f"step {line.step} of {line.num_steps}: {', '.join(told_of(line))}")
            return
        if line.eval_loss is not None:
            self._print(f"step {line.step}: held out {line.eval_loss:.4f}")
        self._live.update(_moving(line), refresh=True)

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
    if line.eval_loss is not None:
        yield f"held out {line.eval_loss:.4f}"
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
        yield "rate " + " ".join(f"{part} {rate:.2g}" for part, rate in line.learning_rates.items())
    if line.skipped:
        yield f"{sum(line.skipped.values()):,} samples skipped"


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
