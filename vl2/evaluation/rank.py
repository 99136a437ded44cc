"""Rank: which share of a run's rows this process answers, and that nobody else answers them at the same time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from vl2.core.errors import VL2Error

LOCK_FILE = "lock"


@dataclass(frozen=True, kw_only=True)
class Rank:
    """Which share of the rows this process answers; each of several has a file of its own."""

    number: int = 0
    size: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.size:
            raise VL2Error("RANK", "out of range", got=self.number, expected=f"0..{self.size - 1}")

    @classmethod
    def from_environment(cls) -> Rank:
        """Return what torchrun says. Raises VL2Error on what is no number."""
        values = [os.environ.get(name, other) for name, other in (("RANK", "0"), ("WORLD_SIZE", "1"))]
        if not all(value.isdecimal() and len(value) < 7 for value in values):
            raise VL2Error("RANK and WORLD_SIZE", "not numbers", got=", ".join(values)[:80], do="Start with torchrun.")
        return cls(number=int(values[0]), size=int(values[1]))

    @property
    def suffix(self) -> str:
        """Return what tells this process's files from others'."""
        return "" if self.size == 1 else f".{self.number}"

    def has(self, key: str) -> bool:
        """Tell whether a sample is answered here."""
        return int(key[:15], 16) % self.size == self.number


@contextmanager
def locked(folder: Path, rank: Rank) -> Iterator[None]:
    """Keep other processes from writing here: any other, or of several that share the rows the same rank."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        _lock(stack, folder / LOCK_FILE, shared=rank.size > 1)
        if rank.size > 1:
            _lock(stack, folder / f"{LOCK_FILE}{rank.suffix}", shared=False)
        yield


def _lock(stack: ExitStack, path: Path, *, shared: bool) -> None:
    stream = stack.enter_context(path.open("w"))
    try:
        fcntl.flock(stream, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        raise VL2Error(
            str(path.parent), "another process is writing here", do="Wait for it, or give another --out."
        ) from None
