"""Index: where the rows of a run lie and what they are filtered by: 21 bytes a row, read block by block when needed."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.corpus.facts import MOST_NAMES, OTHERS, fate_of, key_of, language_of
from vl2.corpus.look import MOST_FIELDS, sum_steps
from vl2.corpus.stored import StoredRun, read_row, walk

ROW = np.dtype([("offset", "<u8"), ("key", "<u8"), ("fate", "<u2"), ("source", "<u2"), ("language", "u1")])
MOST_LANGUAGES = 255  # that a byte tells apart


@dataclass
class Names:
    """Names by number, at most `most`: further ones are the last."""

    most: int
    numbers: dict[str, int] = field(default_factory=dict)

    def number_of(self, name: str) -> int:
        """Return the number of a name, a new one where it has none."""
        if name not in self.numbers and len(self.numbers) >= self.most - 1:
            name = OTHERS
        return self.numbers.setdefault(name, len(self.numbers))


class Index:
    """The rows of one run by number, in the order in which they were written."""

    def __init__(self, run: StoredRun) -> None:
        self.run = run
        counts = np.array([(one.block, one.num_rows, one.num_kept) for one in run.blocks()], np.int64).reshape(-1, 3)
        self.numbers = counts[:, 0].tolist()  # of the blocks
        self.ends = np.cumsum(counts[:, 1])  # [blocks]
        self.num_kept = int(counts[:, 2].sum())
        self.fates, self.sources = Names(MOST_NAMES), Names(MOST_NAMES)
        self.languages = Names(MOST_LANGUAGES)
        self.fields: set[str] = set()  # of quality, in the rows that were seen
        self.rejections = self._count_rejections()
        self._parts: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    @property
    def num_bytes(self) -> int:
        """Return what is held for the rows that were seen."""
        return sum(part.nbytes for part in self._parts.values())

    def first_of(self, place: int) -> int:
        """Return the number of the first row of the block at `place`."""
        return int(self.ends[place - 1]) if place else 0

    def place_of(self, row: int) -> int:
        """Return the place of the block that holds a row."""
        return int(np.searchsorted(self.ends, row, "right"))

    def part(self, place: int) -> np.ndarray:
        """Return the rows of a block [rows] of ROW. Raises VL2Error when it is damaged."""
        with self._lock:  # two requests would read it twice
            if place not in self._parts:
                self._parts[place] = self._read(place)
            return self._parts[place]

    def read(self, row: int, *, with_images: bool = True) -> Sample:
        """Return a row by number. Raises VL2Error when there is none."""
        if not 0 <= row < len(self):
            raise VL2Error("row", "no row of that number", got=row, expected=f"below {len(self)}")
        place = self.place_of(row)
        offset = int(self.part(place)["offset"][row - self.first_of(place)])
        return read_row(self.run.shard(self.numbers[place]), offset, with_images=with_images)

    def find(self, row_id: str, seconds: float, guess: int = -1) -> int | None:
        """Return the number of the row with an id, None when there is none, or it was not found in time."""
        if 0 <= guess < len(self) and self.read(guess, with_images=False).id == row_id:
            return guess
        key, until = key_of(row_id), time.monotonic() + seconds
        for place in sorted(range(len(self.numbers)), key=lambda place: place not in self._parts):
            for found in np.flatnonzero(self.part(place)["key"] == key):
                row = self.first_of(place) + int(found)
                if self.read(row, with_images=False).id == row_id:
                    return row
            if time.monotonic() > until:
                return None
        return None

    def _read(self, place: int) -> np.ndarray:
        rows = []
        for offset, sample in walk(self.run.shard(self.numbers[place])):
            fate, source = self.fates.number_of(fate_of(sample)), str(sample.provenance["source"])
            language = self.languages.number_of(language_of(sample))
            rows.append((offset, key_of(sample.id), fate, self.sources.number_of(source), language))
            if len(self.fields) < MOST_FIELDS:
                self.fields.update(sample.quality)
        if len(rows) != int(self.ends[place]) - self.first_of(place):
            path = self.run.shard(self.numbers[place])
            raise VL2Error(str(path), "is damaged", do="Run its recipe again in another folder.")
        return np.array(rows, ROW)

    def _count_rejections(self) -> Counter[str]:
        """Return how many rows each step rejected for each reason."""
        passed = [one for stage in self.run.stages for one in sum_steps(stage, Counter())]
        counts: Counter[str] = Counter()
        for one in passed:
            for reason, number in one.reasons.items():
                counts[f"{one.step}: {reason}"] += number
        return counts
