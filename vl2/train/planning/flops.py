"""True FLOPs of a stage: the vision tower, attention scores and the head counted, and only what the stage computes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from vl2.model.config import VL2Config
from vl2.train.paper import PaperRow
from vl2.train.planning.units import FlopPart, Traffic, Unit, units_of


@dataclass(frozen=True, kw_only=True)
class Work:
    """FLOPs of a microbatch: forward, and backward apart for inputs and weights, as zero-bubble schedules run it."""

    forward: float
    input_gradient: float
    weight_gradient: float

    @property
    def total(self) -> float:
        """Return all three together."""
        return self.forward + self.input_gradient + self.weight_gradient

    def __add__(self, other: Work) -> Work:
        return Work(
            forward=self.forward + other.forward,
            input_gradient=self.input_gradient + other.input_gradient,
            weight_gradient=self.weight_gradient + other.weight_gradient,
        )


NO_WORK = Work(forward=0.0, input_gradient=0.0, weight_gradient=0.0)


def unit_work(unit: Unit, traffic: Traffic, row: PaperRow) -> Work:
    """Return what a unit computes in a stage. Frozen weights take no gradient; scores have two inputs and none."""
    scores = unit.key_flops * traffic.tokens * traffic.keys
    products = sum(unit.forward_flops(traffic).values()) - scores
    is_frozen = row.freezes_language and not unit.is_vision
    return Work(
        forward=products + scores,
        input_gradient=products + 2 * scores,
        weight_gradient=0.0 if is_frozen else products,
    )


def total_work(units: Iterable[Unit], traffic: Traffic, row: PaperRow) -> Work:
    """Return the sum over units."""
    return sum((unit_work(unit, traffic, row) for unit in units), start=NO_WORK)


def flops_by_part(config: VL2Config, traffic: Traffic, row: PaperRow) -> dict[FlopPart, float]:
    """Return forward and backward FLOPs of a microbatch by part of the model."""
    found: defaultdict[FlopPart, float] = defaultdict(float)
    for unit in units_of(config):
        forward = unit.forward_flops(traffic)
        is_frozen = row.freezes_language and not unit.is_vision
        for part, flops in forward.items():
            factor = 2 if is_frozen and part != "scores" else 3
            found[part] += factor * flops
    return dict(found)


def packed_traffic(
    config: VL2Config, *, tokens: float, visual_share: float, learned_share: float = 1.0, documents: float = 1.0
) -> Traffic:
    """Return the traffic of a sequence of which a share of the tokens is visual.

    A tile counts its `tile_side`^2 tokens, as the reference figures do. `documents` of equal length share the
    sequence, and attention stays within each.
    """
    tiles = tokens * visual_share / config.tile_side**2
    return Traffic(tokens=tokens, tiles=tiles, keys=(tokens / documents + 1) / 2, learned=tokens * learned_share)
