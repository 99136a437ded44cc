"""Blocks are handed out once, shared by content, and come back."""

from __future__ import annotations

import pytest

from vl2.core.errors import ConfigError
from vl2.engine.blocks import BlockPool


def test_blocks_run_out_and_come_back():
    pool = BlockPool(2, first=1)
    first, second = pool.take(), pool.take()
    assert {first, second} == {1, 2} and pool.take() is None and pool.num_used == 2
    pool.release(first)
    assert pool.num_available == 1 and pool.take() == first


def test_a_named_block_is_shared_and_outlives_its_users():
    pool = BlockPool(2)
    block = pool.take()
    pool.name(block, b"a")
    assert pool.share(b"a") == block and pool.share(b"b") is None
    pool.release(block)
    assert pool.num_used == 1
    pool.release(block)
    assert pool.num_used == 0 and pool.num_available == 2
    assert pool.share(b"a") == block


def test_the_longest_idle_prefix_makes_room_first():
    pool = BlockPool(2)
    for key in (b"a", b"b"):
        pool.name(block := pool.take(), key)
        pool.release(block)
    pool.release(pool.share(b"a"))  # now b is the older one
    pool.take()
    assert pool.share(b"b") is None and pool.share(b"a") is not None


def test_the_first_block_of_a_content_keeps_its_name():
    pool = BlockPool(3)
    first, second = pool.take(), pool.take()
    pool.name(first, b"a")
    pool.name(second, b"a")
    pool.release(second)
    assert pool.share(b"a") == first
    assert pool.num_available == 2


def test_a_pool_needs_blocks():
    with pytest.raises(ConfigError, match="no blocks"):
        BlockPool(0)
