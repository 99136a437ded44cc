"""Parameter groups: which parameters move in a stage, how fast, and which are drawn to zero."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from vl2.core.errors import ConfigError
from vl2.parallel.apply import ParallelModel
from vl2.train.paper import WITHOUT_DECAY, PaperRow
from vl2.train.stages import STAGES

NEVER = ("vision.attention_pool.",)  # the checkpoints hold it, the model never runs it: there is no gradient


@dataclass(frozen=True, kw_only=True)
class Part:
    """Parameters by the first part of their names."""

    name: str
    prefixes: tuple[str, ...]
    has_vision_rate: bool = False


PARTS = (
    Part(name="vision", prefixes=("vision.",), has_vision_rate=True),
    Part(name="adaptor", prefixes=("adaptor.", "tile_newline", "view_separator")),
    Part(name="language", prefixes=("language.",)),
)


def parameter_groups(model: nn.Module | ParallelModel, row: PaperRow) -> list[dict[str, Any]]:
    """Freeze what stands still in the stage and return the rest as groups of a torch optimizer.

    A group has `params` and their `names`, `lr` (after warm-up), `weight_decay`, its `part`, and `rate_factor`: the
    schedule sets `lr` to `rate_factor` times the rate of the step. `model` may be a pipeline stage: parts it lacks
    give no group. Raises ConfigError on a parameter that belongs to no part.
    """
    groups: dict[tuple[str, bool], dict[str, Any]] = {}
    for name, parameter, part in _moving(model, row):
        decays = has_decay(name, parameter)
        factor = _factor(part, row)
        group = groups.setdefault(
            (part.name, decays),
            {
                "params": [], "names": [], "part": part.name, "rate_factor": factor, "lr": factor * row.learning_rate,
                "weight_decay": row.weight_decay if decays else 0.0,
            },
        )  # fmt: skip
        group["params"].append(parameter)
        group["names"].append(name)
    return list(groups.values())


def rate_factors(row: PaperRow) -> dict[str, float]:
    """Return the parts that the stage trains, and by how much of the learning rate each moves."""
    trains = STAGES[row.stage].trains
    return {part.name: _factor(part, row) for part in PARTS if part.name in trains}


def _factor(part: Part, row: PaperRow) -> float:
    return row.vision_rate if part.has_vision_rate else 1.0


def part_of(name: str) -> Part:
    """Return the part of a parameter. Raises ConfigError when it belongs to none."""
    for part in PARTS:
        if name.startswith(part.prefixes):
            return part
    raise ConfigError(name, "belongs to no part", expected=", ".join(part.name for part in PARTS))


def has_decay(name: str, parameter: Tensor) -> bool:
    """Tell whether weight decay holds: not for norms, biases and what else has one dimension, nor for positions."""
    return parameter.ndim > 1 and not name.endswith(WITHOUT_DECAY)


def _moving(model: nn.Module | ParallelModel, row: PaperRow) -> Iterator[tuple[str, nn.Parameter, Part]]:
    """Yield what the stage trains; the rest takes no gradient. What takes none already, as a bias rule's, stays so."""
    trains = STAGES[row.stage].trains
    for name, parameter in model.named_parameters():
        part = part_of(name)
        moves = parameter.requires_grad and name.startswith(trains) and not name.startswith(NEVER)
        parameter.requires_grad_(moves)
        if moves:
            yield name, parameter, part
