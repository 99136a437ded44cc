"""Every round shows every row once, in an order of its own, and lanes share the rounds without a word between them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vl2.core.errors import VL2Error
from vl2.data import windows as module
from vl2.data.windows import Cursor, Windows


def walk(windows: Windows, lane: int, until: int) -> list[tuple[int, int]]:
    """Return what a lane reads before the window `until`."""
    cursor, found = windows.first(lane), []
    while cursor.window < until:
        found.append(windows.locate(cursor))
        cursor = windows.after(cursor)
    return found


@given(st.lists(st.integers(0, 7), min_size=1, max_size=40).filter(any), st.integers(1, 4))
def test_two_rounds_show_every_row_twice_whatever_the_lanes(rows, num_lanes):
    windows = Windows("s", np.array(rows), seed=1, num_lanes=num_lanes)
    seen = Counter(place for lane in range(num_lanes) for place in walk(windows, lane, 2 * windows.num_windows))
    assert seen == {(piece, row): 2 for piece, count in enumerate(rows) for row in range(count)}


def test_orders_differ_by_round_seed_and_source_and_are_shuffled_within_windows():
    rows = np.full(64, 8)

    def order(name="s", seed=0, first=0):
        windows = Windows(name, rows, seed=seed, num_lanes=1)
        return walk(windows, 0, windows.num_windows * (first + 1))[512 * first :]

    base = order()
    assert order() == base and sorted(base) != base
    assert all(sorted(other) == sorted(base) and other != base for other in (order(first=1), order("t"), order(seed=1)))
    assert len({piece for piece, _ in base[:16]}) > 8  # not one piece after the other


def test_windows_are_small_enough_for_all_lanes_and_large_pieces_stand_alone(monkeypatch):
    assert Windows("s", np.ones(100, int), seed=0, num_lanes=4).num_windows == 4
    assert Windows("s", np.ones(3, int), seed=0, num_lanes=4).num_windows == 3
    monkeypatch.setattr(module, "WINDOW_ROWS", 16)
    assert Windows("s", np.full(10, 5000), seed=0, num_lanes=2).window_size == 1
    assert Windows("s", np.ones(1000, int), seed=0, num_lanes=2).window_size == 16


def test_a_cursor_is_all_that_a_resume_needs():
    windows = Windows("s", np.full(9, 3), seed=0, num_lanes=2)
    cursor = windows.first(1)
    for _ in range(20):
        cursor = windows.after(cursor)
    again, copy = Windows("s", np.full(9, 3), seed=0, num_lanes=2), Cursor(cursor.window, cursor.offset)
    assert [again.locate(copy), again.locate(again.after(copy))] == [
        windows.locate(cursor), windows.locate(windows.after(cursor))
    ]  # fmt: skip


def test_a_source_without_rows_is_refused():
    with pytest.raises(VL2Error, match="source s: has no rows"):
        Windows("s", np.zeros(3, int), seed=0, num_lanes=1)
