"""Tuned: the model of a tuning with what moves in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from vl2.core.errors import ConfigError
from vl2.core.precision import multiplies_bfloat16
from vl2.model import VL2, VL2Config
from vl2.model.config import QuantizationConfig
from vl2.processor import Processor
from vl2.train.checkpoint import has_checkpoint
from vl2.train.tuning.change import Change
from vl2.train.tuning.lora import add_adapter, check_parts
from vl2.train.tuning.moved import Moved, moved_by_adapter, moved_weights
from vl2.train.tuning.tune_config import TuneConfig
from vl2.weights import find_checkpoint, load_model
from vl2.weights.quantize import quantize_checkpoint
from vl2.weights.write import CONFIG_FILE

# in the folder of a run
CHECKPOINT = "checkpoint"
FROZEN = "frozen"  # the quantised weights


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """A model, its processor, and the tensors that train."""

    model: VL2
    processor: Processor
    moved: list[Moved]
    changes: Mapping[str, Change]  # by weight; none when the weights themselves move

    @property
    def device(self) -> torch.device:
        """Return where the model is."""
        return self.model.tile_newline.device

    @property
    def context_size(self) -> int:
        """Return the most tokens of one sample."""
        return self.model.config.language_config.max_position_embeddings

    @contextmanager
    def without_adapter(self) -> Iterator[None]:
        """Let the model be what it was before: the reference of a tuning, at no memory."""
        for change in self.changes.values():
            change.is_on = False
        try:
            yield
        finally:
            for change in self.changes.values():
                change.is_on = True


def open_tuned(config: TuneConfig) -> Tuned:
    """Load the model that a tuning names and make ready what moves. Raises VL2Error where that cannot be."""
    check_parts("parts", config.parts)
    check_parts("part_rates", config.part_rates)
    folder = find_checkpoint(config.model)
    processor = Processor.from_directory(folder)
    torch.manual_seed(config.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # weights that move themselves are kept wide: half a step of bfloat16 is more than a step of the optimizer
    is_wide = config.precision == "float32" or not config.rank or not multiplies_bfloat16(device)
    dtype = torch.float32 if is_wide else None
    model = load_model(_frozen(config, folder), dtype=dtype, device=device)
    if not config.rank:
        if model.config.quantization_config is not None:
            raise ConfigError(config.model, "quantised weights cannot move", do="Give the adapter a rank.")
        return Tuned(model=model, processor=processor, moved=moved_weights(model, config.parts), changes={})
    changes = add_adapter(model, rank=config.rank, alpha=config.adapter_alpha, parts=config.parts)
    return Tuned(model=model, processor=processor, moved=moved_by_adapter(changes), changes=changes)


def _frozen(config: TuneConfig, folder: Path) -> Path:
    """Return the folder to load: the model's own, or that of its quantised twin, written once for a run."""
    if not config.bits:
        return folder
    own = VL2Config.from_file(folder / CONFIG_FILE).quantization_config
    if own is not None:
        if own.bits != config.bits:
            raise ConfigError("bits", "the model is quantised already", got=config.bits, expected=own.bits)
        return folder
    twin = Path(config.out) / FROZEN
    if has_checkpoint(Path(config.out) / CHECKPOINT) and twin.is_dir():
        return twin
    shutil.rmtree(twin, ignore_errors=True)  # of a run that did not come far, perhaps of another model
    return quantize_checkpoint(folder, twin, QuantizationConfig(bits=config.bits))
