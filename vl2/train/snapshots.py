"""Snapshots: checkpoints of a run in any layout, sharded, written behind the steps, whole or not there at all."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner, DefaultSavePlanner
from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions

from vl2.core.errors import VL2Error
from vl2.data.lane_state import StreamState
from vl2.parallel.apply import ParallelModel
from vl2.train.snapshot_folder import (
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
from vl2.train.snapshot_random import random_state, set_random_state
from vl2.train.snapshot_tensors import complaint, empty_state, stored_tensors, tensors_of
from vl2.weights.save import config_to_dict

T = TypeVar("T")


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
        copied = self._stager.stage(tensors_of(model, optimizer))
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
        paths = _told(group, lambda: [str(path) for path in snapshots_in(self.folder)])
        reasons: list[str] = []
        for path in map(Path, paths):
            try:
                manifest = _told(group, lambda path=path: read_manifest(path))
                _load(path, manifest, model, optimizer, group)
            except VL2Error as error:
                reasons.append(str(error))
                continue
            for number, reason in enumerate(reasons):
                self._set_aside(Path(paths[number]), reason)
            if manifest.stream is None:
                raise VL2Error(str(path), "is the start of a run, not a step of one", do="Name it as `model`.")
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
            group = dist.new_group(backend="gloo")
            assert isinstance(group, dist.ProcessGroup)  # all processes are in it
            self._group = group
            is_cuda = model.meshes.device.type == "cuda"
            self._stager = DefaultStager(
                StagingOptions(
                    use_pinned_memory=is_cuda, use_shared_memory=False, use_async_staging=False,
                    use_non_blocking_copy=is_cuda,
                )
            )  # fmt: skip
            _told(group, lambda: sweep(self.folder))
        return self._group

    def _write(self, tensors: dict[str, Tensor], own: Manifest, group: dist.ProcessGroup) -> None:
        draft = snapshot_path(self.folder, own.step).with_suffix(INCOMPLETE)
        try:
            dcp.save(
                tensors, storage_writer=dcp.FileSystemWriter(draft), process_group=group,
                planner=DefaultSavePlanner(flatten_state_dict=False),
            )  # fmt: skip
            everywhere: list[Any] = [None] * dist.get_world_size(group)
            dist.all_gather_object(everywhere, asdict(own), group=group)
            _told(group, lambda: self._finish(draft, _joined([Manifest(**values) for values in everywhere])))
        except (Exception, dcp.CheckpointException) as error:  # which is no Exception
            if dist.get_rank(group) == 0:
                shutil.rmtree(draft, ignore_errors=True)
            raise _failed(draft.with_suffix(""), error) from error

    def _finish(self, draft: Path, manifest: Manifest) -> None:
        seal(draft, manifest)
        keep(self.folder, self.keep_last)

    def _set_aside(self, path: Path, reason: str) -> None:
        self._warn(f"An older snapshot is used. {reason}")
        if dist.get_rank(self._group) == 0:
            shutil.rmtree(path.with_suffix(REFUSED), ignore_errors=True)
            path.rename(path.with_suffix(REFUSED))

    def _warn(self, text: str) -> None:
        if dist.get_rank() == 0:
            warnings.warn(text, stacklevel=3)


def _load(
    path: Path, manifest: Manifest, model: ParallelModel, optimizer: torch.optim.Optimizer, group: dist.ProcessGroup
) -> None:
    reader = dcp.FileSystemReader(path)
    saved, found = {}, None
    try:
        saved = stored_tensors(reader.read_metadata())
        found = complaint(model, optimizer, saved)
    except Exception as error:  # noqa: BLE001 - a broken pickle raises anything
        found = f"cannot be read: {_reason(error)}"
    complaints: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(complaints, found, group=group)
    if any(complaints):
        raise VL2Error(str(path), next(text for text in complaints if text))
    state = empty_state(optimizer, saved)
    optimizer.state.clear()
    for parameter, kinds in state.items():
        optimizer.state[parameter] = kinds
    try:
        dcp.load(
            tensors_of(model, optimizer), storage_reader=reader, process_group=group,
            planner=DefaultLoadPlanner(flatten_state_dict=False),
        )  # fmt: skip
    except dcp.CheckpointException as error:
        raise VL2Error(str(path), f"cannot be read: {_reason(error)}") from error
    if len(manifest.random) == dist.get_world_size(group):
        set_random_state(manifest.random[dist.get_rank(group)], model.meshes.device)


def _joined(manifests: list[Manifest]) -> Manifest:
    """Return the manifest of all ranks."""
    first = manifests[0]
    streams = [StreamState.from_json(one.stream) for one in manifests if one.stream is not None]
    random = [state for one in manifests for state in one.random]
    return Manifest(**asdict(first) | {"stream": StreamState.join(streams).to_json(), "random": random})


def _told(group: dist.ProcessGroup, work: Callable[[], T]) -> T:
    """Let the first process do something and tell the others the result. Raises VL2Error everywhere if it fails."""
    told: list[Any] = [None, None]
    if dist.get_rank(group) == 0:
        try:
            told[0] = work()
        except VL2Error as error:
            told[1] = (error.thing, str(error).removeprefix(f"{error.thing}: ").rstrip("."))
        except Exception as error:  # noqa: BLE001 - the others wait for an answer, whatever has happened
            told[1] = ("snapshot", _reason(error))
    dist.broadcast_object_list(told, group_src=0, group=group)
    if told[1] is not None:
        raise VL2Error(*told[1])
    return told[0]


def _failed(path: Path, error: BaseException) -> VL2Error:
    return VL2Error(
        str(path), f"could not be saved: {_reason(error)}",
        do="Those before it are whole, and the run can go on. Look whether the disk is full.",
    )  # fmt: skip


def _reason(error: BaseException) -> str:
    """Return what went wrong in one line; of several processes, in the first of them."""
    if isinstance(error, dcp.CheckpointException):
        rank, (first, _) = min(error.failures.items())
        return f"process {rank}: {_reason(first)}"
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__} {lines[0]}"[:160].strip()
