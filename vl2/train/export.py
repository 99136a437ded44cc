"""A training checkpoint as a model folder in the official layout."""

from __future__ import annotations

from pathlib import Path

import torch

from vl2.model import PRESETS, VL2
from vl2.train.checkpoint import load_checkpoint
from vl2.train.trainer import load_modules
from vl2.weights import save_model


def export(run: Path, folder: Path) -> None:
    """Write the bf16 weights of a run's last checkpoint, its config and its processor files."""
    tensors, state = load_checkpoint(run / "checkpoint")
    model = VL2(PRESETS[state["config"]["preset"]])
    load_modules(model, tensors, prefixes=("",))
    save_model(model, folder, dtype=torch.bfloat16, companions=state["config"]["tokenizer"])
