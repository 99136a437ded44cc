"""StepFigures: what one optimizer step tells those who watch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from vl2.core.batch import PADDING, Batch

try:
    import resource
except ImportError:  # Windows has none
    resource = None

KIBI, STATUS = 1024, Path("/proc/self/status")


@dataclass(frozen=True, kw_only=True)
class StepFigures:
    """One step over all processes. Tokens are without padding; `supervised_tokens` are those with a loss."""

    step: int  # steps that are done, this one included: the first is 1
    loss: float  # a supervised token
    grad_norm: float  # before clipping
    supervised_tokens: float  # 0 where steps weigh the same in means
    tokens: float  # visual ones included
    tiles: float
    seconds: float  # of the whole step, the wait for data included
    data_wait_s: float  # of the slowest process, or of the first
    learning_rates: Mapping[str, float]  # by part of the model
    balance_loss: float = 0.0
    expert_load: Tensor | None = None  # [L, E] choices of each expert of the layers that have some
    max_violation: float | None = None  # mean over layers of (fullest - mean) / mean
    memory_bytes: int = 0  # the most so far
    samples: int = 0  # learned from so far
    skipped: Mapping[str, int] = field(default_factory=dict)  # samples so far, by reason
    eval_loss: float | None = None  # where held-out samples were looked at after this step
    held_out: Mapping[str, float] = field(default_factory=dict)  # what else they gave
    keys: float = 0.0  # that a token attends to, on average; 0 leaves attention scores out of the FLOPs
    left_out: str = ""  # why the weights were not moved
    others: Mapping[str, float] = field(default_factory=dict)  # what a trainer of its own kind adds


def attended_keys(*batches: Batch) -> float:
    """Return the keys that a token of these batches attends to, itself included, on average."""
    before = [batch.positions[batch.documents != PADDING] for batch in batches]
    num_tokens = sum(map(len, before))
    return sum(int(positions.sum()) for positions in before) / num_tokens + 1 if num_tokens else 0.0


def peak_memory(device: torch.device | str = "cpu") -> int:
    """Return the most bytes that this process held: of the GPU, else resident ones; 0 where none can tell."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if resource is None:
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * KIBI if STATUS.exists() else most  # Linux counts kibibytes, macOS bytes
