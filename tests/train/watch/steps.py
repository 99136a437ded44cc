"""Figures of made-up steps."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from vl2.train.watch import StepFigures


def figures(step: int, **changed) -> StepFigures:
    values = {
        "step": step, "loss": 2.0, "grad_norm": 1.0, "supervised_tokens": 100.0, "tokens": 400.0, "tiles": 8.0,
        "seconds": 2.0, "data_wait_s": 0.5, "learning_rates": {"vision": 1e-4, "language": 1e-3},
        "balance_loss": 1.5, "expert_load": torch.tensor([[30, 10], [20, 20]]), "max_violation": 0.25,
        "memory_bytes": 3 << 30,
    }  # fmt: skip
    return StepFigures(**{**values, **changed})


def lines_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
