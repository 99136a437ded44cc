"""Rows are filled as full as two limits allow, nobody waits for ever, and documents stay apart."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.packing import fill_of, realistic_sizes
from vl2.core.batch import IGNORE_INDEX, PADDING, ModelInput
from vl2.core.errors import ConfigError
from vl2.core.tiles import TileGrid
from vl2.data.packing import PackLimits, Size, choose, pack

SIZES = st.builds(Size, tokens=st.integers(1, 30), tiles=st.integers(0, 5))


def document(length: int, first: int = 0, grids: tuple[TileGrid, ...] = ()) -> ModelInput:
    ids = torch.arange(first, first + length)
    tiles = torch.zeros(sum(grid.num_tiles for grid in grids), 3, 4, 4)
    return ModelInput(ids, ids.clone(), torch.zeros(length, dtype=torch.bool), tiles, grids)


@settings(max_examples=200)
@given(st.lists(SIZES, min_size=1, max_size=8))
def test_the_choice_is_the_best_of_all_choices_with_the_first(sizes):
    limits = PackLimits(tokens=30, tiles=5)
    chosen = choose(sizes, limits)
    assert chosen[0] == 0 and chosen == sorted(set(chosen))

    def totals(numbers):
        return sum(sizes[n].tokens for n in numbers), sum(sizes[n].tiles for n in numbers)

    tokens, tiles = totals(chosen)
    assert tokens <= 30 and tiles <= 5
    every = [
        totals((0, *others))
        for count in range(len(sizes))
        for others in combinations(range(1, len(sizes)), count)
    ]  # fmt: skip
    fitting = [(t, -n) for t, n in every if t <= 30 and n <= 5]
    assert (tokens, -tiles) == max(fitting)


def test_the_oldest_goes_even_where_it_leaves_a_hole():
    sizes = [Size(tokens=60), Size(tokens=100), Size(tokens=50)]
    assert choose(sizes, PackLimits(tokens=100)) == [0]


def test_a_realistic_mix_fills_rows_and_keeps_to_both_limits():
    found = fill_of(realistic_sizes(seed=1), PackLimits(), num_rows=300)
    assert found.fill >= 0.97  # done-when of the training issue
    assert max(found.tiles) <= PackLimits().tiles


def test_documents_of_a_row_start_anew_and_learn_nothing_of_each_other():
    batch = pack([[document(3, 10), document(2, 20)], [document(4, 30)]], pad_id=9, length_step=6)
    assert batch.input_ids.tolist() == [[10, 11, 12, 20, 21, 9], [30, 31, 32, 33, 9, 9]]
    assert batch.positions.tolist() == [[0, 1, 2, 0, 1, 0], [0, 1, 2, 3, 0, 0]]
    assert batch.documents.tolist() == [[1, 1, 1, 2, 2, PADDING], [1, 1, 1, 1, PADDING, PADDING]]
    no = IGNORE_INDEX
    assert batch.labels.tolist() == [[no, 11, 12, no, 21, no], [no, 31, 32, 33, no, no]]


def test_sizes_count_tiles_that_are_not_cut_yet():
    assert Size.of(document(7, grids=(TileGrid(1, 1), TileGrid(2, 3)))) == Size(tokens=7, tiles=1 + 7)


def test_an_impossible_limit_is_refused():
    with pytest.raises(ConfigError, match="pack limits"):
        PackLimits(tokens=0)
