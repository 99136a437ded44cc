"""Rotary positions by hand: plain, linear and YaRN frequencies, scales, and the two layouts."""

from __future__ import annotations

import math

import pytest
import torch

from vl2.model.config import RopeScaling
from vl2.model.rope import deinterleave, inverse_frequencies, rope_table, rotate, softmax_scale, table_scale

YARN = RopeScaling(type="yarn", factor=4, original_max_position_embeddings=1024, mscale=0.707, mscale_all_dim=0.5)
LINEAR = RopeScaling(type="linear", factor=4)


def test_plain_frequencies():
    expected = [1.0, 0.31622777, 0.1, 0.03162278, 0.01, 0.00316228, 0.001, 0.00031623]
    torch.testing.assert_close(inverse_frequencies(16, 10000, None), torch.tensor(expected))


def test_linear_frequencies_are_plain_ones_divided():
    torch.testing.assert_close(inverse_frequencies(16, 10000, LINEAR), inverse_frequencies(16, 10000, None) / 4)


def test_yarn_blends_between_its_two_ends():
    # 32 turns within 1024 positions: 16 * ln(1024 / 64 pi) / (2 ln 10000) = 1.41, down to 1; one turn: 4.42, up to 5
    plain = inverse_frequencies(16, 10000, None)
    kept = torch.tensor([1, 1, 0.75, 0.5, 0.25, 0, 0, 0])  # the share that is not interpolated
    torch.testing.assert_close(inverse_frequencies(16, 10000, YARN), plain * (kept + (1 - kept) / 4))


def test_yarn_scales():
    ratio = (0.0707 * math.log(4) + 1) / (0.05 * math.log(4) + 1)
    assert table_scale(YARN) == pytest.approx(ratio)
    assert table_scale(YARN) == pytest.approx(1.026837, abs=1e-6)
    assert softmax_scale(28, YARN) == pytest.approx(28**-0.5 * 1.0693147**2)


def test_other_positions_are_not_scaled():
    assert table_scale(None) == table_scale(LINEAR) == 1.0
    assert softmax_scale(64, None) == softmax_scale(64, LINEAR) == 0.125
    without = RopeScaling(type="yarn", factor=4, mscale_all_dim=0)
    assert softmax_scale(64, without) == 0.125


def test_two_numbers_turn_by_their_position():
    table = rope_table(torch.tensor([[0, 3]]), torch.tensor([0.5]), 1.0)
    turned = rotate(torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]]), table)
    torch.testing.assert_close(turned, torch.tensor([[[[1.0, 0.0], [math.cos(1.5), math.sin(1.5)]]]]))


def test_positions_stay_apart_in_a_bfloat16_model():
    table = rope_table(torch.tensor([[4001, 4002]]), inverse_frequencies(16, 10000, None).bfloat16(), 1.0)
    assert table[0].dtype == torch.float32
    assert not torch.equal(table[0][0, 0, 0], table[0][0, 0, 1])


def test_pairs_become_halves():
    torch.testing.assert_close(deinterleave(torch.arange(6.0)), torch.tensor([0.0, 2, 4, 1, 3, 5]))


def test_scores_depend_on_the_distance_alone():
    torch.manual_seed(0)
    query, key = torch.randn(1, 1, 1, 16), torch.randn(1, 1, 1, 16)
    frequencies = inverse_frequencies(16, 10000, YARN)

    def score(at: int, to: int) -> torch.Tensor:
        tables = [rope_table(torch.tensor([[position]]), frequencies, 1.0) for position in (at, to)]
        return (rotate(query, tables[0]) * rotate(key, tables[1])).sum()

    torch.testing.assert_close(score(7, 3), score(104, 100), atol=1e-4, rtol=0)
