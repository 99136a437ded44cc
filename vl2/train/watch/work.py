"""Meter: the true FLOPs of steps, vision tower included, and what share of the machine's peak they are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch

from vl2.model.config import VL2Config
from vl2.train.paper import TABLE_2
from vl2.train.planning.flops import unit_work
from vl2.train.planning.hardware import MACHINES
from vl2.train.planning.units import Traffic, Unit, units_of
from vl2.train.watch.figures import StepFigures

# How a GPU's name begins, as its driver tells it: the row of MACHINES. Other forms of a chip have other peaks.
MACHINE_OF_DEVICE = {"NVIDIA A100": "a100", "NVIDIA H100 80GB HBM3": "h100", "NVIDIA H200": "h200"}
OTHER_FORMS = ("NVL", "MIG")
HALVES = ("vision", "adaptor", "language")  # in the order of computation
_ALL_MOVE = TABLE_2["tiny", "pretrain"]  # of which `unit_work` asks only whether the language model stands still


@dataclass(frozen=True, kw_only=True)
class Meter:
    """What a step of a model computes. Work of LoRA's own small matrices is not counted, nor is recomputation."""

    config: VL2Config
    weights: Collection[str] = HALVES  # whose weights take gradients
    adapters: Collection[str] = ()  # whose weights stand still, with adapters on them that move
    peak_flops: float | None = None  # a second, of all devices together; None where it is not known

    def flops(self, figures: StepFigures) -> float:
        """Return the FLOPs of a step over all processes."""
        traffic = Traffic(
            tokens=figures.tokens, tiles=figures.tiles, keys=figures.keys, learned=figures.supervised_tokens
        )
        return sum(self._unit_flops(unit, traffic) for unit in units_of(self.config))

    def utilisation(self, flops_per_second: float) -> float | None:
        """Return the share of the peak, MFU; None where the peak is not known."""
        return flops_per_second / self.peak_flops if self.peak_flops else None

    def _unit_flops(self, unit: Unit, traffic: Traffic) -> float:
        """Return forward, the gradient of what is before the unit where something there moves, and of its weights."""
        work = unit_work(unit, traffic, _ALL_MOVE)
        half = "language" if not unit.is_vision else "adaptor" if unit.kind == "adaptor" else "vision"
        moving = {*self.weights, *self.adapters}
        is_passed = any(name in moving for name in HALVES[: HALVES.index(half) + 1])
        total = work.forward + (work.input_gradient if is_passed else 0.0)
        return total + (work.weight_gradient if half in self.weights else 0.0)


def peak_flops(device: torch.device | str, precision: str, num_devices: int = 1) -> float | None:
    """Return the peak of so many GPUs like this one, None on a CPU, an unknown GPU, or in another type than bf16."""
    if torch.device(device).type != "cuda" or precision != "bfloat16":
        return None
    return known_peak(torch.cuda.get_device_name(device), num_devices)


def known_peak(name: str, num_devices: int = 1) -> float | None:
    """Return the peak of GPUs of a name that the driver gives, None when the table has none."""
    kind = next((kind for start, kind in MACHINE_OF_DEVICE.items() if name.startswith(start)), None)
    if kind is None or any(form in name for form in OTHER_FORMS):
        return None
    return MACHINES[kind].peak_flops * num_devices
