"""Workers finish when they like; what is asked for comes in the order of asking, and a dead worker is named."""

from __future__ import annotations

import os
import random
import threading
import time

import numpy as np
import pytest

from vl2.core.errors import ConfigError, VL2Error
from vl2.core.sample import Message, Sample, TextPart
from vl2.corpus.pocket.vocabulary import build_processor
from vl2.data.faults import Fault
from vl2.data.packing import PackLimits
from vl2.data.prefetch import Workers
from vl2.data.reader import Reader
from vl2.data.stream import Source, StreamSettings, TrainingStream


class Slow:
    """Texts that take their time, each another; every ninth cannot be used."""

    piece_rows = np.ones(90, int)

    def __init__(self, seconds: float) -> None:
        self.seconds, self.busy, self.most_busy, self.lock = seconds, 0, 0, threading.Lock()

    def read(self, piece: int) -> list[Sample | Fault]:
        with self.lock:
            self.busy += 1
            self.most_busy = max(self.most_busy, self.busy)
        time.sleep(random.random() * self.seconds)
        with self.lock:
            self.busy -= 1
        if piece % 9 == 4:
            return [Fault("no good")]
        said = (Message("user", (TextPart("Hm?"),)), Message("assistant", (TextPart("word " * (1 + piece)),)))
        return [Sample(str(piece), said)]


class Deadly:
    """Rows that end the process which reads them."""

    piece_rows = np.ones(5, int)

    def read(self, piece: int) -> list[Sample]:
        os._exit(3)


def shown(records, num_workers: int) -> list[tuple[str, ...]]:
    settings = StreamSettings(rows_per_step=4, num_lanes=2, limits=PackLimits(tokens=200), num_workers=num_workers)
    with TrainingStream([Source(name="s", share=1, records=records)], build_processor(), settings) as stream:
        return [ids for _ in range(5) for ids in next(stream).ids]


def test_the_order_does_not_depend_on_who_is_ready_first():
    expected = shown(Slow(0), 0)
    for num_workers in (1, 5):
        records = Slow(0.004)
        assert shown(records, num_workers) == expected
        assert (records.most_busy > 1) is (num_workers > 1)  # they did work side by side


def test_a_worker_process_that_dies_is_an_error_of_one_line():
    workers = Workers(Reader({"s": Deadly()}, build_processor(), mask_prompt=False), 1, "processes")
    for _ in range(2):
        with pytest.raises(VL2Error, match="data workers: a process has died"):
            workers.measure("s", 0, 0)()
    workers.close()


def test_impossible_workers_are_refused():
    reader = Reader({}, build_processor(), mask_prompt=False)
    with pytest.raises(ConfigError, match="num_workers"):
        Workers(reader, -1)
    with pytest.raises(ConfigError, match="worker_kind"):
        Workers(reader, 1, "fibres")  # type: ignore[arg-type]
