"""Losses against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from vl2.core.batch import IGNORE_INDEX
from vl2.core.boxes import Box
from vl2.model.moe import Routing
from vl2.processor import Processor, render
from vl2.train.losses import (
    COORDINATE_SIGMA,
    CoordinateTokens,
    coordinate_loss,
    coordinate_tokens,
    is_coordinate,
    next_token_loss,
    sequence_aux_loss,
    shifted_targets,
)
from vl2.train.pocket.waves import WAVE_SIZE, waves
from vl2.weights import find_checkpoint

TOKENS = CoordinateTokens(ids=torch.arange(1000) + 10, opening=3, closing=4)


def test_targets_are_the_next_labels():
    assert shifted_targets(torch.tensor([[5, 6, IGNORE_INDEX, 7]])).tolist() == [[6, IGNORE_INDEX, 7, IGNORE_INDEX]]


def test_next_token_loss_sums():
    assert float(next_token_loss(torch.zeros(3, 8), torch.tensor([0, 1, 2]))) == pytest.approx(3 * math.log(8))


@pytest.mark.parametrize("num_rows", [0, 1, 150])  # more than are taken at once
def test_next_token_loss_is_cross_entropy(num_rows: int):
    torch.manual_seed(0)
    logits = torch.randn(num_rows, 11, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(11, (num_rows,))
    loss, expected = next_token_loss(logits, targets), F.cross_entropy(logits, targets, reduction="sum")
    torch.testing.assert_close(loss, expected)
    (gradient,), (wanted,) = torch.autograd.grad(loss * 3, logits), torch.autograd.grad(expected * 3, logits)
    torch.testing.assert_close(gradient, wanted)


def test_only_numbers_inside_boxes_are_coordinates():
    #                     42  det  7    9   /det  42
    ids = torch.tensor([[52, 3, 17, 19, 4, 52, 0]])
    assert is_coordinate(ids, TOKENS).tolist() == [[False, True, True, False, False, False, False]]


def test_a_near_miss_costs_less_than_a_far_one():
    def loss(said: int) -> float:
        logits = torch.full((1, 1010), -20.0)
        offsets = torch.arange(1000) - said
        logits[0, TOKENS.ids] = -(offsets.float() ** 2) / (2 * COORDINATE_SIGMA**2)
        return float(coordinate_loss(logits, torch.tensor([510]), TOKENS))  # the token of 500

    assert loss(500) < loss(503) < loss(520)
    assert loss(500) == pytest.approx(math.log(COORDINATE_SIGMA * math.sqrt(2 * math.pi * math.e)), abs=0.1)


def test_balanced_experts_cost_one_and_a_favourite_costs_more():
    def routing(ids: list[list[int]], scores: list[list[float]]) -> Routing:
        return Routing(torch.tensor(scores), torch.tensor(ids), torch.ones(len(ids), len(ids[0])))

    even = routing([[0], [1], [0], [1]], [[0.5, 0.5]] * 4)
    assert float(sequence_aux_loss(even, batch_size=2)) == pytest.approx(1.0)
    favourite = routing([[0], [0], [0], [0]], [[0.9, 0.1]] * 4)
    assert float(sequence_aux_loss(favourite, batch_size=2)) == pytest.approx(2 * 0.9)
    of_sigmoid = routing([[0], [0], [0], [0]], [[0.72, 0.08]] * 4)  # which do not add up to one
    assert float(sequence_aux_loss(of_sigmoid, batch_size=2)) == pytest.approx(2 * 0.9)
    padded = routing([[0], [0], [1], [1]], [[0.9, 0.1]] * 2 + [[0.1, 0.9]] * 2)
    counts = torch.tensor([[True, True, False, False]])
    assert float(sequence_aux_loss(padded, 1, counts)) == pytest.approx(2 * 0.9)
    assert float(sequence_aux_loss(padded, 1)) == pytest.approx(1.0)


def test_waves_of_near_numbers_look_alike():
    here, near, far = waves(torch.tensor([0.50, 0.51, 0.90]))
    assert here.shape == (WAVE_SIZE,)
    assert float((here - near).norm()) < 0.3 * float((here - far).norm())


def test_the_numbers_of_boxes_are_the_tokens_that_boxes_are_written_with():
    processor = Processor.from_directory(find_checkpoint("pocket"))
    tokens = coordinate_tokens(processor.tokenizer)
    text = render("mug", [Box(5, 10, 123, 999)])
    ids = torch.tensor([processor.tokenizer.encode(text)])
    targets = shifted_targets(ids)[is_coordinate(ids, tokens)]
    assert targets.tolist() == tokens.ids[[5, 10, 123, 999]].tolist()
