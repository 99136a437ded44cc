"""LoRA: train low-rank changes of frozen weights, experts included (Hu et al., 2021).

A weight is replaced by itself plus its change wherever the model reads it, so that no module knows of adapters, stacked
experts get theirs in the same way, and merging changes no output: what is merged is what was computed. A quantised
weight is never there as a whole: its change is added to its products (vl2/train/tuning/frozen.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch.nn.utils import parametrize

from vl2.core.errors import ConfigError, nearest
from vl2.model import VL2
from vl2.train.tuning.change import Change
from vl2.train.tuning.frozen import hold_frozen
from vl2.weights.adapter import Adapter, LowRank

# What an adapter may change, by the names of our parameters. The router stays: new experts for old tokens cost more
# than they give.
PARTS: dict[str, re.Pattern[str]] = {
    "attention": re.compile(r"language\.layers\.\d+\.attention\.(?!.*norm).*\.weight"),
    "experts": re.compile(r"language\.layers\.\d+\.mlp\.routed_experts\.(gate|up|down)"),
    "mlp": re.compile(r"language\.layers\.\d+\.mlp\.(shared_experts\.)?(gate|up|down)\.weight"),
    "vision": re.compile(r"vision\.blocks\.\d+\.(attention|mlp)\.\w+\.weight"),
    "adaptor": re.compile(r"adaptor\.(hidden\.\d+|output)\.weight"),
}


def part_of(name: str) -> str | None:
    """Return the part that a weight belongs to, None when no adapter may change it."""
    return next((part for part, pattern in PARTS.items() if pattern.fullmatch(name)), None)


def check_parts(setting: str, parts: Iterable[str]) -> None:
    """Raise ConfigError on a name that is no part."""
    for part in parts:
        if part not in PARTS:
            raise ConfigError(setting, "unknown part", got=part, expected=", ".join(PARTS), do=nearest(part, PARTS))


def add_adapter(model: VL2, *, rank: int, alpha: float, parts: Iterable[str] = tuple(PARTS)) -> dict[str, Change]:
    """Freeze a model and give the weights of these parts a change that trains. Returns the changes by weight.

    Raises ConfigError on an unknown part or an impossible rank.
    """
    parts = tuple(parts)
    check_parts("parts", parts)
    if rank < 1:
        raise ConfigError("lora", "the rank must be positive", got=rank)
    model.requires_grad_(False)
    changes: dict[str, Change] = {}
    for name, weight in list(model.named_parameters()):
        if part_of(name) in parts:
            owner, _, attribute = name.rpartition(".")
            changes[name] = Change(weight.shape, rank, alpha / rank, weight.device)
            # unsafe: a change keeps shape and type, which need no trial run
            parametrize.register_parametrization(model.get_submodule(owner), attribute, changes[name], unsafe=True)
    frozen = hold_frozen(model)
    changes |= {name: weight.adapt(rank, alpha / rank) for name, weight in frozen.items() if part_of(name) in parts}
    if not changes:
        raise ConfigError("lora", "these parts are not in this model", got=", ".join(parts), expected=", ".join(PARTS))
    return changes


def adapter_of(changes: Mapping[str, Change], *, rank: int, alpha: float) -> Adapter:
    """Return what was trained, as it is saved and merged."""
    pairs = {name: LowRank(down=change.down.detach(), up=change.up.detach()) for name, change in changes.items()}
    return Adapter(rank=rank, alpha=alpha, changes=pairs)


def merge_changes(model: VL2, changes: Iterable[str]) -> None:
    """Make the changes part of the weights and take the adapter away."""
    for name in changes:
        owner, _, attribute = name.rpartition(".")
        parametrize.remove_parametrizations(model.get_submodule(owner), attribute, leave_parametrized=True)
