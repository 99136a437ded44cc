"""A model whose layers are read when they run and dropped afterwards: it runs where it does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vl2.kernels.documents import Documents
from vl2.model import VL2, VL2Config
from vl2.weights.empty import empty_model, model_tensors
from vl2.weights.hub import find_checkpoint
from vl2.weights.load import check_stored, common_dtype, fill
from vl2.weights.stored import open_tensors

ROWS_AT_ONCE = 8  # of a batch, within a layer; tiles in the vision tower
LAYERS = ("vision.blocks", "language.layers")
NEVER_RUN = "vision.attention_pool."


class StreamedModel:
    """A model of which one layer is in memory; a forward pass reads each layer once, whatever the batch."""

    def __init__(self, model: VL2) -> None:
        self.model = model
        self.rows = slice(0)  # of the batch, that run through a layer now
        self.after_layer: Callable[[str], None] = lambda name: None  # told the name of each layer that all rows passed


@contextmanager
def streamed_model(path_or_name: str | Path, *, dtype: torch.dtype | None = None) -> Iterator[StreamedModel]:
    """Open a checkpoint to run without loading it; what its routers decide is not returned.

    Raises WeightsError, ConfigError.
    """
    directory = find_checkpoint(path_or_name)
    config = VL2Config.from_file(directory / "config.json")
    with open_tensors(directory) as stored:
        dtype = dtype or common_dtype(stored.headers)
        model = empty_model(config, dtype).eval()
        check_stored(model, stored.headers)
        layers = {f"{name}.{number}": layer for name in LAYERS for number, layer in _children(model, name)}
        skipped = (*(f"{name}." for name in layers), NEVER_RUN)
        for name, tensor in list(model_tensors(model)):
            if not name.startswith(skipped):
                fill(model, name, tensor, stored, dtype, "cpu")
        streamed = StreamedModel(model)

        def run(name: str, *arguments: Any) -> Any:
            layer = layers[name]
            for own, tensor in list(model_tensors(layer)):
                fill(layer, own, tensor, stored, dtype, "cpu", prefix=f"{name}.")
            pieces: list[Any] = []
            num_rows = len(arguments[0])
            for start in range(0, num_rows, ROWS_AT_ONCE):
                streamed.rows = slice(start, min(start + ROWS_AT_ONCE, num_rows))
                pieces.append(type(layer).forward(layer, *_some(arguments, num_rows, streamed.rows)))
            streamed.after_layer(name)
            layer.to("meta")
            return _joined(pieces)

        for name, layer in layers.items():
            layer.forward = partial(run, name)
        yield streamed


def _children(model: nn.Module, name: str) -> Iterator[tuple[int, nn.Module]]:
    yield from enumerate(model.get_submodule(name).children())


def _some(value: Any, num_rows: int, rows: slice) -> Any:
    """Return these rows of each tensor among the arguments of a layer that has one line for every row."""
    if isinstance(value, tuple):
        return tuple(_some(part, num_rows, rows) for part in value)
    if isinstance(value, Documents):
        return Documents(value.lengths[rows])
    return value[rows] if isinstance(value, Tensor) and len(value) == num_rows else value


def _joined(pieces: list[Any]) -> Any:
    """Return what a layer returns for all rows: states, or states and no routing."""
    if isinstance(pieces[0], Tensor):
        return torch.cat(pieces)
    return torch.cat([states for states, _ in pieces]), None
