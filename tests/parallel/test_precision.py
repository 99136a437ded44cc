"""bfloat16 computes, float32 keeps: weights, gradients, and all that routers do."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from tests.parallel.layouts import PLANS, compare, laid_out, on_four
from tests.parallel.toy import Step, alone, toy
from vl2.model.moe import MLP, Router

NAMES = ["fsdp4", "pp2 fsdp2 ep2 zero_bubble"]
LOSS = 2e-2  # of a loss of about 5: eight bits of mantissa through nine layers


def note_dtype(seen: dict[str, torch.dtype], module: nn.Module, args: object) -> None:
    seen["router" if isinstance(module, Router) else "other"] = next(module.parameters()).dtype


def work(rank: int, folder: str) -> None:
    reference = toy("mla")
    step = Step.of(3, has_images=True, config=reference.config)
    expected, found = alone(reference, step), {}
    for name in NAMES:
        model, seen = laid_out("mla", replace(PLANS[name], precision="bfloat16")), {}
        for module in (module for stage in model.models.values() for module in stage.modules()):
            if isinstance(module, Router | MLP):
                module.register_forward_pre_hook(partial(note_dtype, seen))
        difference = compare(model, step, expected, counts=False)
        kept = {parameter.dtype for _, parameter in model.named_parameters()}
        kept |= {parameter.grad.dtype for _, parameter in model.named_parameters() if parameter.grad is not None}
        found[name] = (difference.loss, kept, seen)
    torch.save(found, Path(folder) / f"found{rank}.pt")


def test_only_the_computation_is_bfloat16(tmp_path):
    on_four(work, tmp_path)
    for rank in range(4):
        for loss, kept, seen in torch.load(tmp_path / f"found{rank}.pt", weights_only=False).values():
            assert 0 < loss <= LOSS
            assert kept == {torch.float32}
            assert seen == {"router": torch.float32, "other": torch.bfloat16}
