"""Write a model in the official layout: config.json, and one safetensors file or an index and shards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vl2.core.errors import WeightsError
from vl2.model import VL2, VL2Config
from vl2.weights.load import key_of
from vl2.weights.names import places_of
from vl2.weights.quantized_model import quantized_weights
from vl2.weights.stored import DTYPES
from vl2.weights.write import CONFIG_FILE, ShardWriter, copy_companions, new_directory, write_json

MAX_SHARD_BYTES = 5 * 10**9
# What the official classes look for; none of it is a choice of ours.
MODEL_TYPES: dict[str, dict[str, Any]] = {
    "vision_config": {"model_type": "vision"},
    "projector_config": {"model_type": "mlp_projector"},
    "language_config": {"model_type": "deepseek_v2", "architectures": ["DeepseekV2ForCausalLM"]},
}
# Fields whose default here is not the official class default, so that they are always written.
ALWAYS_WRITTEN = frozenset("tile_tag global_view_pos candidate_resolutions rope_scaling quantization_config".split())


def save_model(
    model: VL2,
    directory: str | Path,
    *,
    dtype: torch.dtype | None = None,
    max_shard_bytes: int = MAX_SHARD_BYTES,
    companions: str | Path | None = None,
) -> Path:
    """Write a model to a new directory, all of it or nothing. `dtype` None keeps the model's own.

    `companions` is a checkpoint whose tokenizer and processor files are taken over. Raises WeightsError when the
    directory holds something already or cannot be written.
    """
    if quantized_weights(model):
        raise WeightsError(str(directory), "the model is quantised", do="Copy the folder that it was loaded from.")
    dtype = dtype or next(model.parameters()).dtype
    return save_weights(
        model.config, model.named_parameters(), directory, dtype=dtype, max_shard_bytes=max_shard_bytes,
        companions=companions,
    )  # fmt: skip


def save_weights(
    config: VL2Config,
    tensors: Iterable[tuple[str, Tensor]],
    directory: str | Path,
    *,
    dtype: torch.dtype,
    max_shard_bytes: int = MAX_SHARD_BYTES,
    companions: str | Path | None = None,
) -> Path:
    """Do what `save_model` does with the parameters of a model as they come, by name: it need not be in memory."""
    directory = Path(directory)
    if dtype not in DTYPES.values():
        raise WeightsError(str(directory), "not a type of checkpoints", got=dtype, expected=", ".join(DTYPES))
    with new_directory(directory) as draft:
        write_json(draft / CONFIG_FILE, config_to_dict(config, dtype))
        writer = ShardWriter(draft, max_shard_bytes)
        for key, tensor in _official_tensors(tensors):
            # a view of the model where the type is kept; otherwise a copy of one shard at a time
            writer.add(key, tensor.to("cpu", dtype).contiguous())
        writer.close()
        if companions:
            copy_companions(Path(companions), draft)
    return directory


def config_to_dict(config: VL2Config, dtype: torch.dtype) -> dict[str, Any]:
    """Return the mapping of an official config.json: fields that equal the class default are left out."""
    type_name = str(dtype).removeprefix("torch.")
    values = {"model_type": "deepseek_vl_v2", "torch_dtype": type_name, **_differing(config)}
    for part, fixed in MODEL_TYPES.items():
        values[part] = {**fixed, **values.get(part, {})}
    values["language_config"]["torch_dtype"] = type_name
    return values


def _differing(config: Any) -> dict[str, Any]:
    """Return the fields of a config that differ from its class defaults, parts in the same way."""
    default, values = type(config)(), {}
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name in ALWAYS_WRITTEN and value is not None:
            values[field.name] = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        elif is_dataclass(value):
            values[field.name] = _differing(value)
        elif value != getattr(default, field.name):
            values[field.name] = value
    return values


def _official_tensors(tensors: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    """Yield official keys and views of the parameters."""
    for name, parameter in tensors:
        for place in places_of(name, parameter):
            yield key_of(place), parameter.detach() if place.expert is None else parameter.detach()[place.expert]
