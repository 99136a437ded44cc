"""Memory of each process by part, as FSDP2 keeps it: float32 weights in shards, the computation's copy gathered.

A pipeline runs many passes between two steps, so its weights stay gathered and its gradients whole until the step
ends; without one they are gathered and reduced layer by layer, one layer ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vl2.model.config import VL2Config
from vl2.train.paper import PaperRow
from vl2.train.planning.activations import FLOAT32, input_bytes, kept_bytes, logits_bytes
from vl2.train.planning.layout import Layout
from vl2.train.planning.units import Traffic, Unit

BF16 = 2
USABLE_SHARE = 0.92  # assumed: the rest goes to the driver, the communication library and gaps between tensors
GATHERED_UNITS = 2  # the one that computes and the one ahead


@dataclass(frozen=True, kw_only=True)
class RankMemory:
    """Bytes of one process at its peak."""

    parameters: float  # float32
    gradients: float
    optimizer: float
    gathered: float  # whole weights and gradients in the computation's type
    activations: float
    logits: float

    @property
    def total(self) -> float:
        """Return the sum."""
        return sum(vars(self).values())


def rank_memory(
    units: Sequence[Unit], config: VL2Config, row: PaperRow, layout: Layout, traffic: Traffic, kept: float
) -> RankMemory:
    """Return what a process with these units needs.

    `traffic` is that of its microbatch, `kept` the bytes of `pass_bytes` of all passes in flight at the worst moment.
    """
    moving = [unit for unit in units if unit.is_vision or not row.freezes_language]
    parameters, trained = (sum(sharded(unit, layout) for unit in some) for some in (units, moving))
    moment = BF16 if row.has_bf16_states else FLOAT32
    if layout.recompute:
        kept += max(kept_bytes(unit, config, traffic, BF16) for unit in units) / layout.tp
    has_head = any(unit.kind == "head" for unit in units)
    return RankMemory(
        parameters=parameters * FLOAT32,
        gradients=trained * FLOAT32,
        optimizer=2 * trained * moment,
        gathered=_gathered(units, moving, layout),
        activations=kept,
        logits=logits_bytes(config, traffic, BF16) / layout.tp if has_head else 0.0,
    )


def pass_bytes(units: Sequence[Unit], config: VL2Config, layout: Layout, traffic: Traffic) -> float:
    """Return what one pass of a microbatch keeps. tp divides what lies within layers, and with it nearly all."""
    measure = input_bytes if layout.recompute else kept_bytes
    return sum(measure(unit, config, traffic, BF16) for unit in units) / layout.tp


def sharded(unit: Unit, layout: Layout) -> float:
    """Return the parameters of a unit that a process stores."""
    return (unit.dense_params + unit.expert_params) / (layout.tp * layout.dp_shard)


def whole(unit: Unit, layout: Layout) -> float:
    """Return the parameters of a unit that a process computes with: its heads and experts."""
    return unit.dense_params / layout.tp + unit.expert_params / layout.ep


def _gathered(units: Sequence[Unit], moving: Sequence[Unit], layout: Layout) -> float:
    if layout.pp > 1:
        all_weights = sum(whole(unit, layout) for unit in units) * BF16
        return all_weights + sum(whole(unit, layout) for unit in moving) * FLOAT32
    if layout.dp_shard == 1:
        return sum(whole(unit, layout) for unit in units) * BF16
    largest = sorted((whole(unit, layout) for unit in units), reverse=True)[:GATHERED_UNITS]
    return 2 * sum(largest) * BF16  # weights and gradients
