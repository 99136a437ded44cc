"""A snapshot without its processes: read and written tensor by tensor, on one machine of any size."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner, DefaultSavePlanner
from torch.distributed.checkpoint.metadata import MetadataIndex
from torch.distributed.checkpoint.planner import SavePlan, SavePlanner
from torch.distributed.checkpoint.storage import WriteResult

from vl2.core.errors import VL2Error
from vl2.model import VL2Config
from vl2.train.snapshots.folder import INCOMPLETE, MANIFEST, Manifest, read_manifest, seal, snapshot_path, snapshots_in
from vl2.train.snapshots.group import reason
from vl2.train.snapshots.tensors import saved_in


class StoredSnapshot:
    """An open snapshot. Raises VL2Error where it is not whole."""

    def __init__(self, path: Path) -> None:
        self.path, self.manifest = path, read_manifest(path)
        self._reader = dcp.FileSystemReader(path)
        try:
            self._metadata = self._reader.read_metadata()
        except Exception as error:
            raise VL2Error(str(path), f"cannot be read: {reason(error)}") from error
        self._reader.set_up_storage_reader(self._metadata, is_coordinator=True)
        self.tensors = saved_in(self._metadata)

    @property
    def config(self) -> VL2Config:
        """Return the configuration of the model."""
        return VL2Config.from_dict(self.manifest.config, thing=str(self.path / MANIFEST))

    def read(self, key: str) -> Tensor:
        """Return one tensor, whole. Raises VL2Error when it is missing or its bytes cannot be read."""
        if key not in self.tensors:
            raise VL2Error(str(self.path), f"has no {key}")
        stored = self.tensors[key]
        state = {key: torch.empty(stored.size, dtype=stored.properties.dtype)}
        planner = DefaultLoadPlanner(flatten_state_dict=False)
        planner.set_up_planner(state, self._metadata, is_coordinator=True)
        try:
            self._reader.read_data(planner.create_local_plan(), planner).wait()
        except Exception as error:
            raise VL2Error(str(self.path), f"{key} cannot be read: {reason(error)}") from error
        return state[key]


def newest_snapshot(path: Path) -> StoredSnapshot:
    """Open a snapshot, or the newest of a run that is whole. Raises VL2Error when there is none."""
    if (path / MANIFEST).exists():
        return StoredSnapshot(path)
    reasons: list[str] = []
    for found in snapshots_in(path):
        try:
            snapshot = StoredSnapshot(found)
        except VL2Error as error:
            reasons.append(str(error))
            continue
        for why in reasons:
            warnings.warn(f"An older snapshot is used. {why}", stacklevel=2)
        return snapshot
    raise VL2Error(str(path), f"no snapshot that is whole; {reasons[0]}" if reasons else "holds no snapshot")


def write_snapshot(
    folder: Path, manifest: Manifest, tensors: Mapping[str, Tensor], read: Callable[[str], Tensor]
) -> Path:
    """Write a snapshot of tensors that have no values: `read` gives each by key when it is due. Returns where it is.

    Raises OSError where it cannot be written.
    """
    draft = snapshot_path(folder, manifest.step).with_suffix(INCOMPLETE)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled")  # as it should be
        try:
            # a file for each: torch's writer keeps all tensors of a file until it is closed
            writer = SnapshotWriter(draft, single_file_per_rank=False)
            dcp.save(dict(tensors), storage_writer=writer, planner=_ReadWhenDue(read), no_dist=True)
        except dcp.CheckpointException as error:  # which is no Exception
            raise OSError(reason(error)) from error
    return seal(draft, manifest)


class SnapshotWriter(dcp.FileSystemWriter):
    """Writes one process's part of a snapshot."""

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> torch.futures.Future[list[WriteResult]]:
        """Write, and raise what went wrong first: torch's writer of tensors hides that a disk is full."""
        try:
            return super().write_data(plan, planner)
        except (OSError, RuntimeError) as error:
            first: BaseException = error
            while first.__context__ is not None:
                first = first.__context__
            raise first from None


class _ReadWhenDue(DefaultSavePlanner):
    def __init__(self, read: Callable[[str], Tensor]) -> None:
        super().__init__(flatten_state_dict=False)
        self.read = read

    def lookup_object(self, index: MetadataIndex) -> Any:
        return self.read(index.fqn)
