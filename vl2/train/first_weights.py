"""The weights a stage begins with, read by each process as far as it holds them: official files or an earlier run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.planner import LoadPlan, LoadPlanner, ReadItem
from torch.futures import Future

from vl2.core.errors import VL2Error
from vl2.model import VL2Config
from vl2.parallel.apply import ParallelModel
from vl2.train.snapshots.group import own_group, reason
from vl2.train.snapshots.load import load_weights
from vl2.train.snapshots.stored import newest_snapshot
from vl2.weights import find_checkpoint
from vl2.weights.empty import empty_model, model_tensors
from vl2.weights.load import check_stored, key_of
from vl2.weights.names import places_of
from vl2.weights.stored import StoredTensors, open_tensors
from vl2.weights.write import CONFIG_FILE


class FirstWeights:
    """Named by a folder in the official layout, a hub name, or the folder of a run. Raises VL2Error on none of them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_run = Path(name).is_dir() and not (Path(name) / CONFIG_FILE).is_file()
        if self.is_run:
            snapshot = newest_snapshot(Path(name))
            self.folder, self.config = snapshot.path, snapshot.config
        else:
            self.folder = find_checkpoint(name)
            self.config = VL2Config.from_file(self.folder / CONFIG_FILE)
        if self.config.quantization_config is not None:
            raise VL2Error(name, "is quantised, which cannot be trained", do="Start from the whole weights.")

    def load(self, model: ParallelModel) -> None:
        """Fill a model in any layout, with values in its own type. Every process calls this."""
        if self.is_run:
            load_weights(self.folder, model)
            return
        group = own_group()
        with open_tensors(self.folder) as stored:
            empty = empty_model(self.config, torch.float32)
            check_stored(empty, stored.headers)
            reader = _FolderReader(stored, dict(model_tensors(empty)))
            try:
                dcp.load(
                    {name: parameter.detach() for name, parameter in model.named_parameters()}, storage_reader=reader,
                    process_group=group,
                )  # fmt: skip
            except dcp.CheckpointException as error:
                raise VL2Error(str(self.folder), f"cannot be read: {reason(error)}") from error
        dist.destroy_process_group(group)


class _FolderReader(dcp.StorageReader):
    """Lets torch's checkpoints read official files: a process reads the tensors, and of experts those, it holds."""

    def __init__(self, stored: StoredTensors, tensors: dict[str, Tensor]) -> None:
        self._stored, self._tensors = stored, tensors

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """Return the shapes of all tensors of the model, each in one piece."""
        return Metadata(state_dict_metadata={name: _described(tensor) for name, tensor in self._tensors.items()})

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        """Fill what this process holds, tensor by tensor."""
        for item in plan.items:
            target = planner.resolve_tensor(item).detach()
            target.copy_(self._read(item))
            planner.commit_tensor(item, target)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def _read(self, item: ReadItem) -> Tensor:
        name = item.storage_index.fqn
        places = places_of(name, self._tensors[name])
        first, count = item.storage_offsets[0], item.lengths[0]
        if places[0].expert is None:
            whole = self._stored.read(key_of(places[0]))
        else:
            whole = torch.stack([self._stored.read(key_of(place)) for place in places[first : first + count]])
            first = 0
        for axis, (start, length) in enumerate(zip((first, *item.storage_offsets[1:]), item.lengths, strict=True)):
            whole = whole.narrow(axis, start, length)
        return whole

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """Do nothing: there is one folder."""

    def set_up_storage_reader(self, metadata: Metadata, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the files are open."""

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        """Return the plan as it is."""
        return plan

    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        """Return the plans as they are."""
        return plans

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        """Return that a reader is never looked for by name."""
        return False


def _described(tensor: Tensor) -> TensorStorageMetadata:
    whole = ChunkStorageMetadata(offsets=torch.Size([0] * tensor.ndim), sizes=tensor.shape)
    return TensorStorageMetadata(
        properties=TensorProperties.create_from_tensor(tensor), size=tensor.shape, chunks=[whole]
    )
