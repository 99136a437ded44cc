"""Passes: what a process of a pipeline does, one microbatch and stage at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OpKind = Literal["forward", "backward", "input", "weight"]  # backward is both of the last two


@dataclass(frozen=True)
class Op:
    """One pass of a microbatch through a stage."""

    kind: OpKind
    stage: int
    microbatch: int
