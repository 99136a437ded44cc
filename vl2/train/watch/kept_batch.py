"""The batch at which a run stopped, kept for looking at: one safetensors file of bounded size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from vl2.core.batch import Batch

MOST_BYTES = 256 << 20


def save_batch(
    folder: Path, batch: Batch | Sequence[Batch], *, name: str = "stopped_batch", most_bytes: int = MOST_BYTES,
    told: Mapping[str, str] | None = None,
) -> Path:  # fmt: skip
    """Write one batch, or the microbatches of a step as `0.input_ids`, .., and return the file; an older one goes.

    Beyond `most_bytes` tensors are cut, the rows at their ends first to go; the file's metadata says what of. Processes
    that share a folder give other names. `told` goes into the metadata too: the step, the reason.
    """
    batches = [batch] if isinstance(batch, Batch) else list(batch)
    kept: dict[str, Tensor] = {}
    notes, room = dict(told or {}), most_bytes
    # token ids first: they are small, and pixels without them say little
    named = sorted(_tensors(batches), key=lambda item: item[1].nbytes)
    for key, tensor in named:
        rows = min(len(tensor), room // max(1, tensor[:1].nbytes))
        if rows < len(tensor):
            notes[f"{key}.cut"] = f"the first {rows} of {len(tensor)} rows"
        kept[key] = tensor[:rows].detach().cpu().contiguous().clone()
        room -= kept[key].nbytes
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    fresh = path.with_suffix(".incomplete")
    save_file(kept, fresh, metadata=notes)
    fresh.replace(path)
    return path


def _tensors(batches: Sequence[Batch]) -> list[tuple[str, Tensor]]:
    found = []
    for number, batch in enumerate(batches):
        prefix = f"{number}." if len(batches) > 1 else ""
        values = {field.name: getattr(batch, field.name) for field in fields(batch)}
        grids = [[grid.rows, grid.cols] for grid in values.pop("grids")]
        values["grids"] = torch.tensor(grids, dtype=torch.int64).reshape(-1, 2)  # [images, 2] rows and columns of tiles
        found += [(prefix + key, value) for key, value in values.items() if isinstance(value, Tensor)]
    return found
