"""Rooms are kept for the next who asks, and never lent to two."""

from __future__ import annotations

import mmap

import pytest
import torch

from vl2.core.memory import HUGE_FROM, _free, give_back, huge_zeros, kept_room

COUNT = HUGE_FROM // 4 + 5


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="the system has no huge pages")
def test_a_room_is_lent_again_when_nothing_lies_in_it():
    give_back()
    first = kept_room((COUNT,), torch.float32)
    place, piece = first.data_ptr(), first[3:5]
    del first
    second = kept_room((COUNT,), torch.float32)
    assert second.data_ptr() != place  # a piece of the first is still held
    piece.fill_(7.0)
    second.fill_(0.0)
    assert piece.tolist() == [7.0, 7.0]
    del piece
    third = kept_room((2, COUNT), torch.bfloat16)  # as many bytes
    assert third.data_ptr() == place and third.shape == (2, COUNT)


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="the system has no huge pages")
def test_rooms_that_became_too_small_are_not_kept():
    give_back()
    for count in range(COUNT, 3 * COUNT, COUNT // 4):
        kept_room((count,), torch.float32)
        assert len(_free) == 1
    kept_room((COUNT,), torch.float32)
    assert sorted(len(room) // COUNT // 4 for room in _free) == [1, 2]


def test_what_was_lent_outlives_what_is_given_back():
    room = kept_room((COUNT,), torch.float32).fill_(3.0)
    give_back()
    assert float(kept_room((COUNT,), torch.float32).fill_(4.0).sum()) == 4 * COUNT
    assert float(room.sum()) == 3 * COUNT


def test_a_system_without_huge_pages_gives_small_ones(monkeypatch: pytest.MonkeyPatch):
    class Small(mmap.mmap):
        def madvise(self, *_: int) -> None:  # what a kernel without them answers
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr("vl2.core.memory.mmap.mmap", Small)
    assert int(huge_zeros((COUNT,), torch.float32).sum()) == 0


def test_small_rooms_are_those_of_torch():
    assert kept_room((2, 3), torch.int64).shape == (2, 3)
