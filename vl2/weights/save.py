"""Write a model in the official layout: config.json, and one safetensors file or an index and shards."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from vl2.core.errors import WeightsError
from vl2.model import VL2, VL2Config
from vl2.weights.load import key_of
from vl2.weights.names import places_of
from vl2.weights.stored import DTYPES, INDEX_FILE, SINGLE_FILE

MAX_SHARD_BYTES = 5 * 10**9
# What the official classes look for; none of it is a choice of ours.
MODEL_TYPES: dict[str, dict[str, Any]] = {
    "vision_config": {"model_type": "vision"},
    "projector_config": {"model_type": "mlp_projector"},
    "language_config": {"model_type": "deepseek_v2", "architectures": ["DeepseekV2ForCausalLM"]},
}
# Fields whose default here is not the official class default, so that they are always written.
ALWAYS_WRITTEN = frozenset({"tile_tag", "global_view_pos", "candidate_resolutions", "rope_scaling"})


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
    directory = Path(directory)
    dtype = dtype or next(model.parameters()).dtype
    if dtype not in DTYPES.values():
        raise WeightsError(str(directory), "not a type of checkpoints", got=dtype, expected=", ".join(DTYPES))
    with _new_directory(directory) as draft:
        _write_json(draft / "config.json", config_to_dict(model.config, dtype))
        _write_tensors(model, draft, dtype, max_shard_bytes)
        for path in sorted(Path(companions).glob("*.json")) if companions else ():
            if path.name not in ("config.json", INDEX_FILE):
                shutil.copyfile(path, draft / path.name)
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


def _write_tensors(model: VL2, draft: Path, dtype: torch.dtype, max_shard_bytes: int) -> None:
    shards = list(_shards(_official_tensors(model), dtype, max_shard_bytes))
    if len(shards) == 1:
        _write_shard(draft / SINGLE_FILE, shards[0], dtype)
        return
    weight_map: dict[str, str] = {}
    for number, tensors in enumerate(shards, start=1):
        name = f"model-{number:05d}-of-{len(shards):06d}.safetensors"
        _write_shard(draft / name, tensors, dtype)
        weight_map |= dict.fromkeys(tensors, name)
    size = sum(tensor.numel() for tensors in shards for tensor in tensors.values()) * dtype.itemsize
    _write_json(draft / INDEX_FILE, {"metadata": {"total_size": size}, "weight_map": weight_map})


def _official_tensors(model: VL2) -> Iterator[tuple[str, Tensor]]:
    """Yield official keys and views of the parameters."""
    for name, parameter in model.named_parameters():
        for place in places_of(name, parameter):
            yield key_of(place), parameter.detach() if place.expert is None else parameter.detach()[place.expert]


def _shards(
    tensors: Iterator[tuple[str, Tensor]], dtype: torch.dtype, max_shard_bytes: int
) -> Iterator[dict[str, Tensor]]:
    """Yield tensors in groups of at most `max_shard_bytes`; a larger tensor makes a group of its own."""
    group: dict[str, Tensor] = {}
    size = 0
    for key, tensor in tensors:
        num_bytes = tensor.numel() * dtype.itemsize
        if group and size + num_bytes > max_shard_bytes:
            yield group
            group, size = {}, 0
        group[key] = tensor
        size += num_bytes
    yield group


def _write_shard(path: Path, tensors: Mapping[str, Tensor], dtype: torch.dtype) -> None:
    # views of the model where the type is kept; otherwise a copy of one shard at a time
    save_file({key: t.to("cpu", dtype).contiguous() for key, t in tensors.items()}, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors makes it private


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def _new_directory(directory: Path) -> Iterator[Path]:
    """Give a draft directory that takes its final name when all went well, and vanishes when not."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise WeightsError(str(directory), "holds something already", do="Choose a new directory.")
    draft = None
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", suffix=".part", dir=directory.parent))
        draft.chmod(0o755)  # mkdtemp makes it private
        yield draft
        for path in (*draft.iterdir(), draft):
            _sync(path)
        draft.rename(directory)  # replaces an empty directory
        _sync(directory.parent)
    except (OSError, SafetensorError) as error:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise WeightsError(
            str(directory), f"cannot be written: {str(error).splitlines()[0][:120]}",
            do="Free some disk space." if full or "No space" in str(error) else "Check the path and its rights.",
        ) from None
    finally:
        if draft is not None and draft.exists():
            shutil.rmtree(draft, ignore_errors=True)


def _sync(path: Path) -> None:
    """Wait until a file or directory is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
