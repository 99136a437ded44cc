"""The paper's days and GPUs, from its tokens and the share of the peak that its cluster reached."""

from __future__ import annotations

from dataclasses import dataclass

from vl2.model.presets import PRESETS
from vl2.train.paper import TABLE_2, Variant
from vl2.train.planning.estimate import DAY
from vl2.train.planning.flops import packed_traffic, total_work
from vl2.train.planning.hardware import MACHINES
from vl2.train.planning.units import units_of


@dataclass(frozen=True, kw_only=True)
class PaperRun:
    """What section 4.2 of the paper says, and the MFU that follows from it by true FLOPs, by visual share."""

    num_gpus: int  # A100, in nodes of eight
    days: int
    mfu: dict[float, float]


PAPER_RUNS: dict[Variant, PaperRun] = {
    "tiny": PaperRun(num_gpus=16 * 8, days=7, mfu={0.2: 0.199, 0.35: 0.251, 0.5: 0.302}),
    "small": PaperRun(num_gpus=33 * 8, days=10, mfu={0.2: 0.215, 0.35: 0.233, 0.5: 0.251}),
    "base": PaperRun(num_gpus=42 * 8, days=14, mfu={0.2: 0.197, 0.35: 0.207, 0.5: 0.217}),
}


def days_needed(variant: Variant, *, num_gpus: int, mfu: float, visual_share: float, machine: str = "a100") -> float:
    """Return the days of all three stages at a share of the peak; every token pays for the head, as in the paper."""
    config, flops = PRESETS[variant], 0.0
    for row in (row for row in TABLE_2.values() if row.variant == variant):
        traffic = packed_traffic(config, tokens=row.sequence_length, visual_share=visual_share)
        flops += total_work(units_of(config), traffic, row).total / row.sequence_length * row.num_tokens
    return flops / (num_gpus * MACHINES[machine].peak_flops * mfu) / DAY
