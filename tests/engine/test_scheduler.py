"""The scheduler bounds a step, shares prefixes, and takes blocks from the latest first."""

from __future__ import annotations

import pytest

from vl2.core.errors import ConfigError, VL2Error
from vl2.core.tiles import TileGrid
from vl2.engine.blocks import BlockPool
from vl2.engine.scheduler import Scheduler
from vl2.engine.sequence import ImageSpan, Sequence, image_key

BLOCK = 4


def scheduler(num_blocks=16, max_running=4, step_tokens=8) -> Scheduler:
    return Scheduler(BlockPool(num_blocks), block_size=BLOCK, max_running=max_running, step_tokens=step_tokens)


def step(it: Scheduler) -> list[tuple[int, int, int]]:
    """Plan, compute and append a token behind each chunk that is the last; return what was planned."""
    chunks = it.plan()
    told = [(chunk.sequence.number, chunk.start, chunk.stop) for chunk in chunks]
    for chunk in chunks:
        ends = chunk.is_last
        it.computed(chunk.sequence, chunk.stop)
        if ends:
            chunk.sequence.tokens.append(100 + len(chunk.sequence.tokens))
    return told


def add(it: Scheduler, number: int, tokens: list[int], most: int = 40, images=()) -> Sequence:
    sequence = Sequence(number=number, tokens=list(tokens), images=tuple(images))
    it.check(min(most, it.pool.num_blocks * BLOCK))
    it.add(sequence)
    return sequence


def test_a_long_prompt_comes_in_chunks_while_others_decode():
    it = scheduler(step_tokens=6)
    add(it, 0, range(3))
    assert step(it) == [(0, 0, 3)]
    add(it, 1, range(50, 63))
    assert step(it) == [(0, 3, 4), (1, 0, 5)]
    assert step(it) == [(0, 4, 5), (1, 5, 10)]
    assert step(it) == [(0, 5, 6), (1, 10, 13)]
    assert step(it) == [(0, 6, 7), (1, 13, 14)]


def test_no_more_run_than_may():
    it = scheduler(max_running=1)
    first = add(it, 0, range(3))
    add(it, 1, range(3, 6))
    assert step(it) == [(0, 0, 3)]
    assert step(it) == [(0, 3, 4)]
    it.remove(first)
    assert step(it) == [(1, 0, 3)]


def test_a_prefix_is_computed_once_and_its_last_token_always():
    it = scheduler()
    first = add(it, 0, range(8))
    step(it)
    add(it, 1, range(8))
    assert step(it) == [(0, 8, 9), (1, 4, 8)]  # one block of two: the logits behind the prompt are needed
    assert it.num_reused == 4
    it.remove(first)
    add(it, 2, [*range(8), 30])
    assert (2, 8, 9) in step(it)


def test_other_images_make_another_prefix():
    it = scheduler()
    same, other = image_key(b"pixels", TileGrid(1, 1)), image_key(b"pixels", TileGrid(1, 2))
    tokens = [7] * 9
    add(it, 0, tokens, images=[ImageSpan(1, 3, same), ImageSpan(3, 6, same)])
    step(it)
    step(it)
    add(it, 1, tokens, images=[ImageSpan(1, 3, same), ImageSpan(3, 6, other)])
    assert (1, 0, 7) in step(it)  # the second image begins in the first block
    add(it, 2, tokens, images=[ImageSpan(1, 3, same), ImageSpan(3, 6, same)])
    step(it)
    assert it.num_reused == 8


def test_the_latest_gives_its_blocks_back_and_goes_on_later():
    it = scheduler(num_blocks=4, step_tokens=16)
    first, second = add(it, 0, range(7), most=16), add(it, 1, range(20, 27), most=16)
    assert step(it) == [(0, 0, 7), (1, 0, 7)]
    assert step(it) == [(0, 7, 8), (1, 7, 8)]
    assert step(it) == [(0, 8, 9)]  # a block more for the first is one less for the second
    assert it.num_preempted == 1 and second.blocks == [] and list(it.waiting) == [second]
    for _ in range(6):
        step(it)
    it.remove(first)
    told = step(it)
    assert told[0][0] == 1 and told[0][2] == len(second.tokens) - 1
    assert it.pool.num_used == len(second.blocks)


def test_what_can_never_fit_is_refused():
    it = scheduler(num_blocks=2)
    with pytest.raises(VL2Error, match="too small for this request"):
        it.check(9)
    with pytest.raises(ConfigError, match="step_tokens"):
        scheduler(step_tokens=0)


def test_nothing_stays_behind():
    it = scheduler(num_blocks=6)
    everyone = [add(it, number, range(number, number + 6), most=12) for number in range(4)]
    for _ in range(3):
        step(it)
    for sequence in everyone:
        it.remove(sequence)
    assert it.pool.num_used == 0 and it.pool.num_available == 6 and it.plan() == []
