"""Muon orthogonalises, AdamW decays, a state taken up again goes on as if nothing had happened."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vl2.train.pocket.optim import Optimizer, is_muon, orthogonalize


def test_orthogonalize_brings_singular_values_near_one():
    torch.manual_seed(0)
    for shape in ((3, 24, 40), (2, 40, 24)):
        values = torch.linalg.svdvals(orthogonalize(torch.randn(shape)))
        assert float(values.min()) > 0.6 and float(values.max()) < 1.3  # what five steps of the quintic promise


def test_tables_and_gates_go_to_adam():
    matrix = torch.zeros(4, 4)
    assert is_muon("language.layers.0.attention.query.weight", matrix)
    assert is_muon("language.layers.1.mlp.routed_experts.gate", torch.zeros(2, 4, 4))
    for name in ("language.embedding.weight", "language.head.weight", "language.layers.1.mlp.router.weight"):
        assert not is_muon(name, matrix)
    assert not is_muon("vision.norm.weight", torch.zeros(4))


def make() -> Optimizer:
    torch.manual_seed(1)
    parameters = {"mlp.weight": nn.Parameter(torch.randn(6, 4)), "embedding.weight": nn.Parameter(torch.randn(5, 4))}
    return Optimizer(parameters, muon_lr=0.02, adam_lr=2e-3, weight_decay=0.01)


def walk(optimizer: Optimizer, steps: range) -> None:
    for step in steps:
        loss = sum((p - step).square().sum() for p in optimizer.parameters.values())
        loss.backward()
        optimizer.step(optimizer.gradients(), lr_scale=1.0)


def test_state_resumes_bit_for_bit():
    whole, first, second = make(), make(), make()
    walk(whole, range(6))
    walk(first, range(3))
    second.load_state({name: tensor.clone() for name, tensor in first.state().items()}, num_steps=3)
    walk(second, range(3, 6))
    for name in whole.parameters:
        assert torch.equal(whole.parameters[name], second.parameters[name])


def test_gradients_are_flat_and_taken_once():
    optimizer = make()
    optimizer.parameters["mlp.weight"].sum().backward()
    flat = optimizer.gradients()
    assert flat.tolist() == [1.0] * 24 + [0.0] * 20
    assert float(optimizer.gradients().abs().sum()) == 0


def test_adam_takes_its_first_step_by_the_sign():
    parameter = nn.Parameter(torch.zeros(3))
    optimizer = Optimizer({"norm.weight": parameter}, muon_lr=0.0, adam_lr=0.1, weight_decay=0.0)
    optimizer.step(torch.tensor([2.0, -0.5, 0.0]), lr_scale=1.0)
    assert parameter.tolist() == pytest.approx([-0.1, 0.1, 0.0], abs=1e-6)
