"""A model before its values: what it holds, on the meta device, where nothing is allocated."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from vl2.kernels import Backends
from vl2.model import VL2, VL2Config
from vl2.weights.names import PARTS
from vl2.weights.quantized_model import hold_quantized


def empty_model(config: VL2Config, dtype: torch.dtype, backends: Backends | None = None) -> VL2:
    """Return the model of a config on the meta device, with quantised weights where the config says so."""
    with torch.device("meta"):
        model = VL2(config, backends)
        if config.quantization_config is not None:
            hold_quantized(model, config.quantization_config, dtype)
    return model


def model_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield what a checkpoint holds of a model: its parameters, and codes and scales of quantised weights."""
    yield from model.named_parameters()
    yield from ((name, buffer) for name, buffer in model.named_buffers() if name.endswith(PARTS))
