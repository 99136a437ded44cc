"""The Triton kernels are chosen for a GPU where Triton can be imported, and nowhere else."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

import vl2.kernels
from vl2.kernels import Backends, backends, grouped, quantized, reference, sdpa, sorted_experts


def fake_triton(monkeypatch: pytest.MonkeyPatch, *, is_installed: bool) -> dict[str, SimpleNamespace]:
    """Make Triton seem installed or not, and put fakes in the places of its kernels."""
    monkeypatch.setattr(backends, "find_spec", lambda name: SimpleNamespace() if is_installed else None)
    fakes = {
        "triton_experts": SimpleNamespace(routed_experts=object()),
        "triton_latent": SimpleNamespace(latent_attention=object()),
        "triton_quantized": SimpleNamespace(quantized_linear=object()),
    }
    for name, fake in fakes.items():
        monkeypatch.setitem(sys.modules, f"vl2.kernels.{name}", fake)
        monkeypatch.setattr(vl2.kernels, name, fake, raising=False)
    return fakes


def test_a_gpu_takes_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = fake_triton(monkeypatch, is_installed=True)
    best = Backends.best("cuda")
    assert best.experts is fakes["triton_experts"].routed_experts
    assert best.latent_attention is fakes["triton_latent"].latent_attention
    assert best.quantized_experts is fakes["triton_experts"].routed_experts
    assert best.quantized_linear is fakes["triton_quantized"].quantized_linear
    assert best.attention is sdpa.attention
    assert best.is_capturable


def test_a_gpu_without_triton_takes_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_triton(monkeypatch, is_installed=False)
    best = Backends.best("cuda")
    assert best.experts is sorted_experts.routed_experts
    assert best.latent_attention is reference.latent_attention
    assert best.quantized_experts is grouped.quantized_experts
    assert best.quantized_linear is quantized.quantized_linear
    assert not best.is_capturable  # sorted experts wait for their counts


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_other_devices_never_take_triton(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_triton(monkeypatch, is_installed=True)
    best = Backends.best(device)
    assert best.experts is sorted_experts.routed_experts
    assert best.quantized_experts is grouped.quantized_experts
    assert best.quantized_linear is quantized.quantized_linear
    assert not best.is_capturable
