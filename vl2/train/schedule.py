"""Learning rates over a stage (paper, Table 2 and its caption)."""

from __future__ import annotations

import math

from vl2.train.paper import PaperRow, ScheduleKind

STEP_FACTOR = math.sqrt(10)  # what the step schedule divides by
STEP_AT = (0.50, 0.75)  # of all steps


def schedule_factor(kind: ScheduleKind, progress: float, floor: float = 0.0) -> float:
    """Return the share of the learning rate at `progress` 0..1 of the stage, before warm-up."""
    match kind:
        case "constant":
            return 1.0
        case "step":
            return STEP_FACTOR ** -sum(progress >= border for border in STEP_AT)
        case "cosine":
            return floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2


def learning_rate(row: PaperRow, step: int, num_steps: int) -> float:
    """Return the rate of step 0..num_steps-1; parts with a rate of their own multiply it (vl2/train/groups.py)."""
    warmed = min(1.0, (step + 1) / max(1, row.warmup(num_steps)))
    return row.learning_rate * warmed * schedule_factor(row.schedule, step / num_steps, row.cosine_floor)
