"""Communication: the bytes that each process sends in a step, by kind, and how long they take.

An all-gather or reduce-scatter of n bytes among g processes sends n * (g - 1) / g; an all-reduce twice that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vl2.model.config import VL2Config
from vl2.train.paper import PaperRow
from vl2.train.planning.activations import FLOAT32
from vl2.train.planning.hardware import Machine
from vl2.train.planning.layout import Layout
from vl2.train.planning.memory import BF16, sharded, whole
from vl2.train.planning.units import Traffic, Unit

BALANCED_SHARE = 0.25  # of the tiles move to another process: simulated, vl2/train/planning/imbalance.py


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One kind of communication of a process in a step."""

    kind: str
    num_bytes: float
    seconds: float
    is_hidden: bool  # behind computation, when that lasts longer


def flows_of(
    units: Sequence[Unit], config: VL2Config, row: PaperRow, layout: Layout, traffic: Traffic, machine: Machine
) -> list[Flow]:
    """Return what a process that holds `units` sends in a step; `traffic` is that of its microbatch."""
    count, seen = layout.num_microbatches(row), traffic.tokens
    moving = [unit for unit in units if unit.is_vision or not row.freezes_language]
    width, tp, ep = config.language_config.hidden_size, layout.tp, layout.ep
    layers = [unit for unit in units if unit.kind == "layer"]
    moe_layers = sum(bool(unit.expert_params) for unit in layers)
    gathers = 1 if layout.pp > 1 else 2 * count  # without a pipeline: for forward and for backward, each time
    reduces = 1 if layout.pp > 1 else count
    stride = tp * layout.dp_shard
    shard, replicate = _speed(machine, stride), _speed(machine, stride * layout.dp_replicate)
    weights, gradients = (sum(whole(unit, layout) for unit in some) for some in (units, moving))
    own = sum(sharded(unit, layout) for unit in moving)
    tokens = count * seen * width * BF16
    side = config.vision_config.image_size
    tile = 3 * side**2 * BF16 + 2 * config.tile_side**2 * width * BF16  # pixels there, features and gradients back
    moved = traffic.tiles * BALANCED_SHARE if layout.data_parallel > 1 and layout.pp == 1 else 0.0
    has_vision = any(unit.is_vision for unit in units)
    top_k = config.language_config.num_experts_per_tok or 0
    rows = [
        ("gather weights", weights * BF16 * gathers * _ring(layout.dp_shard), shard, True),
        ("scatter gradients", gradients * FLOAT32 * reduces * _ring(layout.dp_shard), shard, True),
        ("reduce replicas", 2 * own * FLOAT32 * _ring(layout.dp_replicate), replicate, True),
        ("tensor parallel", 8 * len(layers) * tokens * _ring(tp), _speed(machine, tp), False),
        ("experts all-to-all", 4 * moe_layers * top_k * tokens / tp * _ring(ep), _speed(machine, max(ep, tp)), False),
        ("pipeline", 2 * layout.chunks * tokens / tp if layout.pp > 1 else 0.0,
         _speed(machine, layout.world_size), True),
        ("tile balance", count * moved * tile if has_vision else 0.0, replicate, False),
    ]  # fmt: skip
    return [
        Flow(kind=kind, num_bytes=num_bytes, seconds=num_bytes / speed, is_hidden=hidden)
        for kind, num_bytes, speed, hidden in rows
        if num_bytes
    ]


def _ring(group: int) -> float:
    return (group - 1) / group


def _speed(machine: Machine, reach: int) -> float:
    """Return the bytes a second among processes that lie within `reach` of each other: a node's link, or the net."""
    return machine.link if reach <= machine.node_size else machine.network
