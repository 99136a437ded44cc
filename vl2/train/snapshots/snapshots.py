"""Snapshots: checkpoints of a run in any layout, sharded, written behind the steps, whole or not there at all."""

from __future__ import annotations

import shutil
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.default_planner import DefaultSavePlanner
from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions

from vl2.core.errors import VL2Error
from vl2.data.lane_state import StreamState
from vl2.parallel.apply import ParallelModel
from vl2.train.snapshots.folder import (
    INCOMPLETE,
    REFUSED,
    Manifest,
    keep,
    read_manifest,
    seal,
    snapshot_path,
    snapshots_in,
    sweep,
)
from vl2.train.snapshots.group import gathered, own_group, reason, told
from vl2.train.snapshots.load import load_snapshot
from vl2.train.snapshots.random_states import random_state
from vl2.train.snapshots.stored import SnapshotWriter
from vl2.train.snapshots.tensors import state_of, weights_of
from vl2.weights.save import config_to_dict


@dataclass(frozen=True, kw_only=True)
class Restored:
    """Where a run goes on."""

    step: int
    stream: StreamState  # of all ranks
    extra: dict[str, Any]


class Snapshots:
    """The snapshots of one run. Every process has one of these, and calls all its methods at the same step."""

    def __init__(self, folder: Path, keep_last: int) -> None:
        self.folder, self.keep_last = folder, keep_last
        self._group: dist.ProcessGroup | None = None
        self._stager: DefaultStager | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="snapshots")
        self._saving: Future[None] | None = None

    def save(
        self,
        step: int,
        model: ParallelModel,
        optimizer: torch.optim.Optimizer,
        stream: StreamState,
        extra: dict[str, Any],
    ) -> None:
        """Copy the state of a run and write it behind the steps that follow; `stream` is this rank's, `extra` JSON.

        Waits for the save before. If that one failed, warns of it and tries anew: `wait` would have raised.
        """
        try:
            self.wait()
        except VL2Error as error:
            self._warn(str(error))
        group = self._begin(model)
        own = Manifest(
            step=step,
            config=config_to_dict(next(iter(model.models.values())).config, torch.float32),
            stream=stream.to_json(),
            extra=extra,
            random=[random_state(model.meshes.device)],
        )
        assert self._stager is not None
        copied = self._stager.stage(weights_of(model) | state_of(optimizer))
        assert isinstance(copied, dict)
        self._saving = self._writer.submit(self._write, copied, own, group)

    def wait(self) -> None:
        """Wait until the last save is done. Raises VL2Error, on every process, when it failed."""
        saving, self._saving = self._saving, None
        if saving is not None:
            saving.result()

    def restore(self, model: ParallelModel, optimizer: torch.optim.Optimizer) -> Restored | None:
        """Load the newest snapshot that is whole and fits; None when there is none at all.

        Warns of those that were passed over, and sets them aside. Raises VL2Error when none can be used.
        """
        self.wait()
        group = self._begin(model)
        paths = told(group, lambda: [str(path) for path in snapshots_in(self.folder)])
        reasons: list[str] = []
        for path in map(Path, paths):
            try:
                manifest = told(group, lambda path=path: read_manifest(path))
                load_snapshot(path, manifest, model, optimizer, group)
            except VL2Error as error:
                reasons.append(str(error))
                continue
            if manifest.stream is None:
                raise VL2Error(str(path), "is the start of a run, not a step of one", do="Name it as `model`.")
            for refused, why in zip(paths, reasons, strict=False):
                self._set_aside(Path(refused), why)
            stream = StreamState.from_json(manifest.stream)
            return Restored(step=manifest.step, stream=stream, extra=dict(manifest.extra))
        if reasons:
            raise VL2Error(
                str(self.folder), f"none of {len(reasons)} snapshots can be used; {reasons[0]}",
                do="Choose another folder, or the model and layout of this run.",
            )  # fmt: skip
        return None

    def _begin(self, model: ParallelModel) -> dist.ProcessGroup:
        """Return a group of its own: what is written behind speaks to other processes while steps do."""
        if self._group is None:
            self._group = own_group()
            is_cuda = model.meshes.device.type == "cuda"
            self._stager = DefaultStager(
                StagingOptions(
                    use_pinned_memory=is_cuda, use_shared_memory=False, use_async_staging=False,
                    use_non_blocking_copy=is_cuda,
                )
            )  # fmt: skip
            told(self._group, lambda: sweep(self.folder))
        return self._group

    def _write(self, tensors: dict[str, Tensor], own: Manifest, group: dist.ProcessGroup) -> None:
        draft = snapshot_path(self.folder, own.step).with_suffix(INCOMPLETE)
        try:
            dcp.save(
                tensors, storage_writer=SnapshotWriter(draft), process_group=group,
                planner=DefaultSavePlanner(flatten_state_dict=False),
            )  # fmt: skip
            everywhere = gathered(group, own)
            told(group, lambda: self._finish(draft, _joined(everywhere)))
        except (Exception, dcp.CheckpointException) as error:  # which is no Exception
            if dist.get_rank(group) == 0:
                shutil.rmtree(draft, ignore_errors=True)
            raise _failed(draft.with_suffix(""), error) from error

    def _finish(self, draft: Path, manifest: Manifest) -> None:
        seal(draft, manifest)
        keep(self.folder, self.keep_last)

    def _set_aside(self, path: Path, why: str) -> None:
        self._warn(f"An older snapshot is used. {why}")
        if dist.get_rank(self._group) == 0:
            shutil.rmtree(path.with_suffix(REFUSED), ignore_errors=True)
            path.rename(path.with_suffix(REFUSED))

    def _warn(self, text: str) -> None:
        if dist.get_rank() == 0:
            warnings.warn(text, stacklevel=3)


def _joined(manifests: list[Manifest]) -> Manifest:
    """Return the manifest of all ranks."""
    first = manifests[0]
    streams = [StreamState.from_json(one.stream) for one in manifests if one.stream is not None]
    random = [state for one in manifests for state in one.random]
    return Manifest(**asdict(first) | {"stream": StreamState.join(streams).to_json(), "random": random})


def _failed(path: Path, error: BaseException) -> VL2Error:
    return VL2Error(
        str(path), f"could not be saved: {reason(error)}",
        do="Those before it are whole, and the run can go on. If the disk is full, free some of it or lower keep_last.",
    )  # fmt: skip
