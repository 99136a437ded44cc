"""Quantise a checkpoint: tensor by tensor and shard by shard, so that it needs the memory of one shard."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from vl2.core.batch import Batch
from vl2.core.errors import WeightsError
from vl2.kernels.compensated import quantize_compensated
from vl2.kernels.quantized import QuantizedTensor, quantize
from vl2.kernels.quantized_linear import QuantizedWeight
from vl2.model import VL2, VL2Config
from vl2.model.config import QuantizationConfig
from vl2.weights.calibrate import Moments, calibrate
from vl2.weights.empty import empty_model
from vl2.weights.hub import find_checkpoint
from vl2.weights.load import check_stored, common_dtype
from vl2.weights.names import PARTS, place_of
from vl2.weights.preflight import count_bytes
from vl2.weights.quantized_model import quantized_weights
from vl2.weights.save import config_to_dict
from vl2.weights.stored import StoredTensors, open_tensors
from vl2.weights.write import CONFIG_FILE, ShardWriter, copy_companions, new_directory, write_json

MAX_SHARD_BYTES = 500_000_000  # about the largest tensor, which must be in memory anyway
COMPENSATED_BITS = 4  # in 8 bits there is next to no error to make good, and moments cost time


def quantize_checkpoint(
    path_or_name: str | Path,
    directory: str | Path,
    config: QuantizationConfig,
    *,
    material: Batch | None = None,
    max_shard_bytes: int = MAX_SHARD_BYTES,
    progress: Callable[[str], None] = lambda key: None,
) -> Path:
    """Write the quantised twin of a checkpoint to a new directory, all of it or nothing.

    `material` is run through the original, to round its four-bit weights for what they are multiplied with. `progress`
    is told each key that is done. Raises WeightsError when the source is quantised or broken, or when the directory
    cannot be written.
    """
    source, directory = find_checkpoint(path_or_name), Path(directory)
    original = VL2Config.from_file(source / CONFIG_FILE)
    if original.quantization_config is not None:
        raise WeightsError(str(source), "is quantised already", do="Start from the original checkpoint.")
    target = replace(original, quantization_config=config)
    with open_tensors(source) as stored:
        dtype = common_dtype(stored.headers)
        check_stored(empty_model(original, dtype), stored.headers)
        _check_room(directory, count_bytes(target, dtype))
        with new_directory(directory) as draft:
            write_json(draft / CONFIG_FILE, config_to_dict(target, dtype))
            quantizer = _Quantizer(stored, empty_model(target, dtype), ShardWriter(draft, max_shard_bytes), progress)
            if material is not None:
                calibrate(source, material, quantizer.compensated, quantizer.write)
            quantizer.write_rest()
            copy_companions(source, draft)
    return directory


class _Quantizer:
    """Write stored tensors, each once: those that moments are found of, then the others."""

    def __init__(self, stored: StoredTensors, model: VL2, writer: ShardWriter, progress: Callable[[str], None]) -> None:
        self.stored, self.writer, self.progress = stored, writer, progress
        self.weights = quantized_weights(model)
        self.left = {key: place for key in stored.headers if (place := place_of(key))}
        self.compensated = {name for name, weight in self.weights.items() if weight.bits == COMPENSATED_BITS}

    def write(self, moments: Moments) -> None:
        """Write the weights that these are the moments of."""
        for key in [key for key, place in self.left.items() if place.parameter in moments]:
            found = moments[self.left[key].parameter]
            expert = self.left[key].expert
            self._write(key, found if expert is None else found[expert])

    def write_rest(self) -> None:
        """Write what is left."""
        for key in list(self.left):
            self._write(key, None)
        self.writer.close()

    def _write(self, key: str, moments: Tensor | None) -> None:
        tensor, weight = self.stored.read(key), self.weights.get(self.left.pop(key).parameter)
        if weight is None:
            self.writer.add(key, tensor)
        else:
            found = _quantized(key, tensor, weight, moments)
            for part in PARTS:
                self.writer.add(key + part, getattr(found, part.removeprefix(".")))
        self.progress(key)


def _quantized(key: str, tensor: Tensor, weight: QuantizedWeight, moments: Tensor | None) -> QuantizedTensor:
    if not torch.isfinite(tensor).all():
        raise WeightsError(key, "holds numbers that are not finite", do="Fetch the checkpoint again.")
    if moments is None:
        return quantize(tensor, weight.bits, weight.group)
    return quantize_compensated(tensor, moments, weight.bits, weight.group)


def _check_room(directory: Path, num_bytes: int) -> None:
    """Refuse a full disk before an hour of work rather than after."""
    parent = next((folder for folder in directory.absolute().parents if folder.is_dir()), None)
    free = shutil.disk_usage(parent).free if parent else num_bytes
    if free < num_bytes:
        raise WeightsError(
            str(directory), "the disk is too full", got=f"{free / 1e9:.2f} GB free",
            expected=f"{num_bytes / 1e9:.2f} GB", do="Free some disk space.",
        )  # fmt: skip
