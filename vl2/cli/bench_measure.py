"""What is measured, one sample of it, and what other processes did meanwhile."""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from vl2.cli.bench_contender import Contender

PROC_STAT = Path("/proc/stat")
IDLE_FIELDS = (3, 4)  # idle, iowait


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One kind of work: `amount` tiles or tokens a sample, decoding behind `context` tokens of `batch` sequences."""

    what: Literal["vision", "prefill", "decode"]
    amount: int
    context: int = 0
    batch: int = 1

    @property
    def unit(self) -> str:
        """Return the unit of `figure`."""
        return "s/tile" if self.what == "vision" else "tok/s"

    def figure(self, seconds: float) -> float:
        """Return seconds a tile, or tokens of all sequences a second."""
        return seconds / self.amount if self.what == "vision" else self.amount * self.batch / seconds

    def __str__(self) -> str:
        match self.what:
            case "vision":
                return f"vision, {self.amount} tile{'s' * (self.amount > 1)}"
            case "prefill":
                return f"prefill {self.amount}"
            case _:
                return f"decode at {self.context}, batch {self.batch}"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One timing; `others` is how many cores other processes kept busy, None when the machine does not tell."""

    seconds: float
    others: float | None = None
    disk_reads: int = 0  # pages that had to come back from disk: memory was short


class Quiet:
    """Watch the machine's cores while something is timed."""

    def __init__(self) -> None:
        self._start = (time.perf_counter(), _busy_s(), time.process_time())
        self._faults = _major_faults()

    def disk_reads(self) -> int:
        """Return how often this process waited for a page from disk since the start."""
        return _major_faults() - self._faults

    def others(self, own_s: float | None = None) -> float | None:
        """Return the cores that others used since the start; `own_s` is the CPU time of the timed process."""
        start, busy, own = self._start
        now = _busy_s()
        if busy is None or now is None:
            return None
        own_s = time.process_time() - own if own_s is None else own_s
        return max(0.0, (now - busy - own_s) / (time.perf_counter() - start))


def take(contender: Contender, measure: Measure, tile_size: int, vocab_size: int) -> Sample:
    """Time one sample, with other random tokens or tiles each time."""
    match measure.what:
        case "vision":
            tiles = torch.rand(measure.amount, 3, tile_size, tile_size) * 2 - 1
            quiet, start = Quiet(), time.perf_counter()
            contender.vision(tiles)
        case "prefill":
            ids = torch.randint(vocab_size, (measure.amount,))
            quiet, start = Quiet(), time.perf_counter()
            contender.prefill(ids)
        case "decode":
            contender.hold(measure.batch, measure.context, measure.amount)
            steps = torch.randint(vocab_size, (measure.amount, measure.batch))
            quiet, start = Quiet(), time.perf_counter()
            for ids in steps:
                contender.decode(ids)
    seconds = time.perf_counter() - start
    return Sample(seconds=seconds, others=quiet.others(), disk_reads=quiet.disk_reads())


def median_and_spread(figures: Sequence[float]) -> tuple[float, float, float]:
    """Return the median, the least and the greatest."""
    return statistics.median(figures), min(figures), max(figures)


def _major_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_majflt


def _busy_s() -> float | None:
    """Return the seconds that all cores together have worked since the machine started."""
    try:
        fields = [int(word) for word in PROC_STAT.read_text(encoding="ascii").splitlines()[0].split()[1:9]]
    except (OSError, ValueError, IndexError):
        return None
    return sum(count for place, count in enumerate(fields) if place not in IDLE_FIELDS) / os.sysconf("SC_CLK_TCK")
