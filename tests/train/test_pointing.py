"""The pointing loss is -log of the attention that lands on the place, and its gradient moves attention there."""

from __future__ import annotations

import pytest
import torch

from vl2.data.pointers import Pointers
from vl2.kernels import Backends, reference
from vl2.train.pocket.pointing import NUM_POINTING_HEADS, PointingAttention, pointing_loss


def pointers() -> Pointers:
    targets = torch.tensor([[0, 0, 1, 1, 0], [0, 0, 1, 0, 0], [1, 1, 0, 0, 1]]).bool()
    return Pointers(torch.tensor([0, 1, 1]), torch.tensor([5, 4, 5]), targets, torch.tensor([False, False, True]))


def test_the_loss_is_the_attention_that_misses_the_place_or_is_uneven_over_it():
    torch.manual_seed(0)
    scores = torch.randn(2, NUM_POINTING_HEADS, 6, 6)
    weights = scores.softmax(-1)
    first = -(weights[0, :, 5, 2] + weights[0, :, 5, 3]).log()
    second = -weights[1, :, 4, 2].log()
    even = -(3 * weights[1, :, 5][:, [0, 1, 4]]).log().mean(-1)
    expected = torch.stack((first, second, even)).mean()
    assert float(pointing_loss(scores, pointers())) == pytest.approx(float(expected), abs=1e-6)


def test_even_attention_over_the_targets_of_a_count_costs_nothing():
    only = pointers()
    scores = torch.full((2, NUM_POINTING_HEADS, 6, 6), -40.0)
    scores[1, :, 5, [0, 1, 4]] = 3.0
    counts = Pointers(only.rows[2:], only.positions[2:], only.targets[2:], only.even[2:])
    assert float(pointing_loss(scores, counts)) == pytest.approx(0, abs=1e-6)


def test_a_step_down_the_gradient_looks_more_at_the_place():
    scores = torch.zeros(2, NUM_POINTING_HEADS, 6, 6, requires_grad=True)
    loss = pointing_loss(scores, pointers())
    loss.backward()
    assert float(pointing_loss((scores - scores.grad).detach(), pointers())) < float(loss.detach())


def test_the_attention_itself_is_unchanged_and_only_one_layer_points():
    torch.manual_seed(1)
    query, key, value = torch.randn(3, 2, 4, 6, 8).unbind(0)
    mask = torch.zeros(6, 6).masked_fill(torch.ones(6, 6).triu(1).bool(), -torch.inf)[None, None]
    guide = PointingAttention(Backends(), pointers(), layer=1)
    plain = reference.attention(query, key, value, mask, 0.3)
    assert torch.equal(guide(query, key, value, mask, 0.3), plain)
    assert float(guide.loss) == 0
    assert torch.equal(guide(query * 2, key, value, mask, 0.3), reference.attention(query * 2, key, value, mask, 0.3))
    kept = float(guide.loss)
    assert kept > 0
    guide(query * 9, key, value, mask, 0.3)
    assert float(guide.loss) == kept
