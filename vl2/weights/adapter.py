"""Low-rank adapters in PEFT's format: read, checked against a model, merged into it, written.

A weight W [.., O, I] with an adapter is W + scale x up @ down (Hu et al., 2021); a stacked parameter of routed experts
has one pair a slice, which the files name as the separate layers of the official format.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from vl2.core.errors import WeightsError
from vl2.core.settings import load_json
from vl2.model import VL2
from vl2.weights.load import key_of
from vl2.weights.names import Place, is_stacked, place_of
from vl2.weights.quantized_model import quantized_weights
from vl2.weights.stored import open_file
from vl2.weights.write import new_directory, write_json

CONFIG_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"
MAX_CONFIG_BYTES = 1 << 22  # it lists every layer, and every expert is one
PREFIX = "base_model.model."
DOWN, UP = ".lora_A.weight", ".lora_B.weight"
# The kind of adapter that is read: whatever else PEFT knows changes a weight in another way.
PLAIN: dict[str, Any] = {
    "peft_type": "LORA", "use_dora": False, "bias": "none", "rank_pattern": {}, "alpha_pattern": {},
    "fan_in_fan_out": False, "modules_to_save": None,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LowRank:
    """The change of one weight."""

    down: Tensor  # [.., r, I]
    up: Tensor  # [.., O, r]


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """Changes of weights by the names of our parameters."""

    rank: int
    alpha: float
    changes: Mapping[str, LowRank]

    @property
    def scale(self) -> float:
        """Return the factor before every change."""
        return self.alpha / self.rank


def adapted(weight: Tensor, change: LowRank, scale: float) -> Tensor:
    """Return the weight with its change, added in float32; the same in training and when it is merged."""
    return (weight.float() + scale * (change.up.float() @ change.down.float())).to(weight.dtype)


@torch.no_grad()
def merge(model: VL2, adapter: Adapter) -> None:
    """Add an adapter to the weights of a model. Raises WeightsError where they do not fit."""
    parameters = dict(model.named_parameters())
    for name, change in adapter.changes.items():
        weight = parameters[name]
        *stack, rows, columns = weight.shape
        expected = [*stack, adapter.rank, columns], [*stack, rows, adapter.rank]
        shapes = list(change.down.shape), list(change.up.shape)
        if shapes != expected:
            raise WeightsError(
                name, "the adapter has another shape than the model", got=shapes, expected=expected,
                do="Use the model that it was trained on.",
            )  # fmt: skip
        moved = LowRank(down=change.down.to(weight.device), up=change.up.to(weight.device))
        weight.copy_(adapted(weight, moved, adapter.scale))


def save_adapter(adapter: Adapter, directory: str | Path, *, base: str = "") -> Path:
    """Write an adapter to a new directory, all of it or nothing; `base` names the model that it belongs to."""
    directory = Path(directory)
    tensors: dict[str, Tensor] = {}
    for name, change in adapter.changes.items():
        slices: Iterable[int | None] = range(len(change.down)) if is_stacked(name) else (None,)
        for expert in slices:
            layer = PREFIX + key_of(Place(name, expert)).removesuffix(".weight")
            pair = (change.down, change.up) if expert is None else (change.down[expert], change.up[expert])
            for ending, tensor in zip((DOWN, UP), pair, strict=True):
                tensors[layer + ending] = tensor.detach().cpu().contiguous()
    layers = sorted({key.removeprefix(PREFIX).removesuffix(DOWN) for key in tensors if key.endswith(DOWN)})
    with new_directory(directory) as draft:
        write_json(draft / CONFIG_FILE, _config(adapter, layers, base))
        save_file(tensors, draft / WEIGHTS_FILE, metadata={"format": "pt"})
        (draft / WEIGHTS_FILE).chmod(0o644)  # safetensors makes it private
    return directory


def load_adapter(directory: str | Path, model: VL2) -> Adapter:
    """Read an adapter of this model. Raises WeightsError when it is of another kind, or not whole.

    Quantised weights take none, also when it was trained above them: rounding would undo its small changes.
    """
    if quantized_weights(model):
        raise WeightsError(
            "adapter", "cannot be merged into quantised weights",
            do="Merge it into the model that they were made of, then `vl2 quantize`.",
        )  # fmt: skip
    directory = Path(directory)
    rank, alpha = _read_config(directory / CONFIG_FILE)
    parameters = dict(model.named_parameters())
    found: dict[str, dict[int | None, dict[str, Tensor]]] = {}
    with open_file(directory / WEIGHTS_FILE) as stored:
        for key in stored.headers:
            place, ending = _place(key)
            if place is None or place.parameter not in parameters:
                raise WeightsError(
                    str(directory), "changes a layer that the model has not", got=key,
                    do="Use the model that it was trained on.",
                )  # fmt: skip
            found.setdefault(place.parameter, {}).setdefault(place.expert, {})[ending] = stored.read(key)
    if not found:
        raise WeightsError(str(directory), "the adapter changes nothing", do="Train it first.")
    changes = {name: _change(name, parts, parameters[name]) for name, parts in found.items()}
    return Adapter(rank=rank, alpha=alpha, changes=changes)


def _place(key: str) -> tuple[Place | None, str]:
    ending = next((ending for ending in (DOWN, UP) if key.endswith(ending)), "")
    if not (ending and key.startswith(PREFIX)):
        return None, ending
    return place_of(key.removeprefix(PREFIX).removesuffix(ending) + ".weight"), ending


def _change(name: str, parts: dict[int | None, dict[str, Tensor]], weight: Tensor) -> LowRank:
    """Join both matrices of a weight, or those of all its experts."""
    experts: list[int | None] = list(range(len(weight))) if is_stacked(name) else [None]
    missing = [expert for expert in experts if set(parts.get(expert, ())) != {DOWN, UP}]
    if missing:
        raise WeightsError(str(Place(name, missing[0])), "has not both matrices in the adapter", do="Fetch it again.")
    down, up = ([parts[expert][ending] for expert in experts] for ending in (DOWN, UP))
    if any(len({tuple(t.shape) for t in side}) > 1 or side[0].ndim != 2 for side in (down, up)):
        raise WeightsError(name, "its experts have matrices of several shapes", do="Fetch the adapter again.")
    return LowRank(down=torch.stack(down), up=torch.stack(up)) if is_stacked(name) else LowRank(down=down[0], up=up[0])


def _config(adapter: Adapter, layers: list[str], base: str) -> dict[str, Any]:
    """Return PEFT's settings of this adapter."""
    return {
        "peft_type": "LORA", "base_model_name_or_path": base, "r": adapter.rank, "lora_alpha": adapter.alpha,
        "target_modules": layers, "lora_dropout": 0.0, "bias": "none", "fan_in_fan_out": False, "use_rslora": False,
        "use_dora": False, "inference_mode": True, "task_type": None,
    }  # fmt: skip


def _read_config(path: Path) -> tuple[int, float]:
    """Return rank and alpha. Raises WeightsError on a kind of adapter that this is not."""
    values = load_json(path, max_bytes=MAX_CONFIG_BYTES)
    for name, only in PLAIN.items():
        if values.get(name) not in (only, None):
            raise WeightsError(str(path), f"{name} is not supported", got=values[name], expected=only)
    rank, alpha = values.get("r"), values.get("lora_alpha", math.nan)
    is_number = isinstance(alpha, int | float) and math.isfinite(alpha)
    if type(rank) is not int or rank < 1 or not is_number:
        raise WeightsError(str(path), "r and lora_alpha are no numbers", got=[rank, alpha], do="Fetch it again.")
    # rank-stabilised LoRA divides by the root of the rank: the same with another alpha
    return rank, alpha * math.sqrt(rank) if values.get("use_rslora") else float(alpha)
