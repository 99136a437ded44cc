"""Routing by hand: the router's weight is the identity, so that the inputs are the logits."""

from __future__ import annotations

import pytest
import torch

from vl2.model.config import LanguageConfig
from vl2.model.moe import Router, Routing


def route(logits: list[float], bias: list[float] | None = None, **fields: object) -> Routing:
    fields = {"topk_method": "greedy", "num_experts_per_tok": 2, **fields}
    config = LanguageConfig(hidden_size=len(logits), n_routed_experts=len(logits), **fields)
    router = Router(config)
    with torch.no_grad():
        router.weight.copy_(torch.eye(len(logits)))
        if bias is not None:
            router.expert_bias.copy_(torch.tensor(bias))
        return router(torch.tensor([logits]))


def chosen(routing: Routing) -> dict[int, float]:
    return dict(zip(routing.topk_ids[0].tolist(), routing.topk_weights[0].tolist(), strict=True))


def sigmoid(value: float) -> float:
    return torch.tensor(value).sigmoid().item()


def test_greedy_takes_the_largest_probabilities():
    found = chosen(route([0.0, 2.0, 1.0, -1.0]))
    total = sum(2.718281828**logit for logit in (0, 2, 1, -1))
    assert found == {1: pytest.approx(2.718281828**2 / total), 2: pytest.approx(2.718281828 / total)}


def test_weights_are_normed_and_then_scaled():
    found = chosen(route([0.0, 2.0, 1.0, -1.0], norm_topk_prob=True, routed_scaling_factor=3.0))
    assert sum(found.values()) == pytest.approx(3.0)
    assert found[1] / found[2] == pytest.approx(2.718281828)


def test_one_expert_is_not_normed():
    found = chosen(route([0.0, 2.0], num_experts_per_tok=1, norm_topk_prob=True))
    assert found[1] < 1


def test_the_bias_moves_the_choice_and_not_the_weights():
    fields = {"topk_method": "noaux_tc", "scoring_func": "sigmoid"}
    assert chosen(route([2.0, 1.0, 0.0, -1.0], [0.0] * 4, **fields)).keys() == {0, 1}
    found = chosen(route([2.0, 1.0, 0.0, -1.0], [0.0, -0.5, 0.0, 0.5], **fields))
    assert found == {0: pytest.approx(sigmoid(2.0)), 3: pytest.approx(sigmoid(-1.0))}


def test_a_group_counts_by_its_best_expert():
    fields = {"topk_method": "group_limited_greedy", "n_group": 2, "topk_group": 1}
    # the second group has the best expert, the first the better sum
    assert chosen(route([2.0, 2.0, 2.5, -3.0], **fields)).keys() == {2, 3}


def test_a_group_counts_by_its_two_best_when_there_is_a_bias():
    fields = {"topk_method": "noaux_tc", "scoring_func": "sigmoid", "n_group": 2, "topk_group": 1}
    assert chosen(route([2.0, 2.0, -3.0, 2.5, -3.0, -3.0], [0.0] * 6, **fields)).keys() == {0, 1}


def test_a_negative_score_beats_an_expert_of_another_group():
    fields = {"topk_method": "noaux_tc", "scoring_func": "sigmoid", "n_group": 2, "topk_group": 1}
    found = chosen(route([0.0, 0.0, -9.0, -9.0], [-2.0, -2.0, -9.0, -9.0], **fields))
    assert found.keys() == {0, 1}  # both below 0 with their bias; the other group is out of question


def test_routing_is_in_float32_in_a_bfloat16_model():
    config = LanguageConfig(hidden_size=4, n_routed_experts=4, num_experts_per_tok=2, topk_method="greedy")
    routing = Router(config).bfloat16()(torch.randn(3, 4).bfloat16())
    assert routing.scores.dtype == routing.topk_weights.dtype == torch.float32
