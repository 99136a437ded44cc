"""Load a snapshot into a model in any layout: each process reads what it holds."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner

from vl2.core.errors import VL2Error
from vl2.parallel.apply import ParallelModel
from vl2.train.snapshots.folder import Manifest
from vl2.train.snapshots.group import gathered, own_group, reason, told
from vl2.train.snapshots.random_states import set_random_state
from vl2.train.snapshots.stored import newest_snapshot
from vl2.train.snapshots.tensors import (
    Saved,
    misfit_of_model,
    misfit_of_optimizer,
    saved_in,
    state_of,
    take_empty_state,
    weights_of,
)


def load_snapshot(
    path: Path, manifest: Manifest, model: ParallelModel, optimizer: torch.optim.Optimizer, group: dist.ProcessGroup
) -> None:
    """Load weights, the optimizer's state and, in as many processes as saved it, the states of random numbers.

    Raises VL2Error, on every process, where the snapshot does not fit or cannot be read; what was loaded stays.
    """
    _load(path, model, optimizer, group)
    if len(manifest.random) == dist.get_world_size(group):
        set_random_state(manifest.random[dist.get_rank(group)], model.meshes.device)


def load_weights(path: Path, model: ParallelModel) -> None:
    """Load the weights alone, of a snapshot or the newest of a run: where the stage before ended, or a run's start.

    Every process calls this. Raises VL2Error when there is none that fits.
    """
    group = own_group()
    _load(Path(told(group, lambda: str(newest_snapshot(path).path))), model, None, group)
    dist.destroy_process_group(group)


def _load(path: Path, model: ParallelModel, optimizer: torch.optim.Optimizer | None, group: dist.ProcessGroup) -> None:
    reader = dcp.FileSystemReader(path)
    saved: Saved = {}
    try:
        saved = saved_in(reader.read_metadata())
        misfit = misfit_of_model(model, saved) or (optimizer and misfit_of_optimizer(optimizer, saved))
    except Exception as error:  # noqa: BLE001 - a broken pickle raises anything
        misfit = f"cannot be read: {reason(error)}"
    misfits = [text for text in gathered(group, misfit) if text]
    if misfits:
        raise VL2Error(str(path), misfits[0])
    tensors = weights_of(model)
    if optimizer is not None:
        take_empty_state(optimizer, saved)
        tensors |= state_of(optimizer)
    try:
        dcp.load(
            tensors, storage_reader=reader, process_group=group, planner=DefaultLoadPlanner(flatten_state_dict=False)
        )
    except dcp.CheckpointException as error:
        raise VL2Error(str(path), f"cannot be read: {reason(error)}") from error
