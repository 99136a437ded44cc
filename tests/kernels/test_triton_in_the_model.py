"""The model gives the same logits with the kernels of a GPU: prefill, one token, and a few tokens at once."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.kernels.triton_module import DEVICE, triton_module
from vl2.core.batch import Batch
from vl2.engine.cache import PagedCache
from vl2.kernels import Backends
from vl2.weights import load_model

triton_experts = triton_module("triton_experts")

RECORDED = Path(__file__).parents[1] / "fixtures" / "parity"
LOGIT_TOLERANCE = 1e-4  # float32; logits have a deviation of about 5


def tokens(start: int, stop: int) -> Batch:
    ids = (torch.arange(40, device=DEVICE).view(2, 20) * 7 + 11)[:, start:stop]
    return Batch(
        input_ids=ids,
        positions=torch.arange(start, stop, device=DEVICE).expand_as(ids),
        documents=torch.ones_like(ids),
        image_mask=torch.zeros_like(ids, dtype=torch.bool),
        tiles=None,
    )


@torch.inference_mode()
def logits(backends: Backends) -> torch.Tensor:
    model = load_model(RECORDED / "b_small_mla" / "checkpoint", device=DEVICE, backends=backends)
    cache = PagedCache.empty(model.config.language_config, num_blocks=4, dtype=torch.float32, device=DEVICE)
    steps = [(0, 9), (9, 10), (10, 13)]
    return torch.cat([model(tokens(*step), cache.view([[1, 2], [4, 3]], step[1])).logits for step in steps], dim=1)


def test_logits() -> None:
    chosen = Backends.best("cuda")
    assert chosen.experts is triton_experts.routed_experts
    torch.testing.assert_close(logits(chosen), logits(Backends()), atol=LOGIT_TOLERANCE, rtol=0)
