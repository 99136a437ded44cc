"""Between runs and the official layout: a checkpoint of a run as a model folder, a model folder as a run's start."""

from __future__ import annotations

from pathlib import Path

import torch

from vl2.core.errors import VL2Error
from vl2.model import PRESETS, VL2, VL2Config
from vl2.train.checkpoint import has_checkpoint, load_checkpoint
from vl2.train.pocket.trainer import load_modules
from vl2.train.snapshots.folder import Manifest
from vl2.train.snapshots.stored import StoredSnapshot, newest_snapshot, write_snapshot
from vl2.train.snapshots.tensors import MODEL
from vl2.weights import find_checkpoint, save_model
from vl2.weights.empty import empty_model, model_tensors
from vl2.weights.load import check_stored, common_dtype, fill
from vl2.weights.save import config_to_dict, save_weights
from vl2.weights.stored import INDEX_FILE, SINGLE_FILE, open_tensors
from vl2.weights.write import CONFIG_FILE, copy_companions, new_directory

TOKENIZER_FILE = "tokenizer.json"


def convert(source: str, folder: Path, tokenizer: str | None = None) -> None:
    """Write what `source` is in the other form: a run or snapshot as a model folder, a model as a run's start.

    A model folder takes over the tokenizer and processor files of `tokenizer`, else those of the run.
    Raises VL2Error when there is nothing to convert, or `folder` holds something.
    """
    path = Path(source)
    is_run = path.is_dir() and not any((path / name).is_file() for name in (SINGLE_FILE, INDEX_FILE))
    if not is_run:
        start_run(find_checkpoint(source), folder)
    elif has_checkpoint(path / "checkpoint"):
        export(path, folder)
    else:
        export_snapshot(newest_snapshot(path), folder, tokenizer)


def export(run: Path, folder: Path) -> None:
    """Write the bf16 weights of a run's last checkpoint, its config and its processor files."""
    tensors, state = load_checkpoint(run / "checkpoint")
    if "preset" not in state["config"]:
        raise VL2Error(
            str(run), "is the run of a fine-tuning, whose checkpoint is no model", expected=f"{run / 'best'}",
            do=f"Merge its adapter: vl2 merge {run / 'best'} {folder}",
        )  # fmt: skip
    model = VL2(PRESETS[state["config"]["preset"]])
    load_modules(model, tensors, prefixes=("",))
    save_model(model, folder, dtype=torch.bfloat16, companions=state["config"]["tokenizer"])


def export_snapshot(snapshot: StoredSnapshot, folder: Path, tokenizer: str | None) -> None:
    """Write the bf16 weights of a snapshot, its config and processor files; one tensor at a time is in memory."""
    companions = _companions(snapshot, tokenizer)
    names = [name for name, _ in model_tensors(empty_model(snapshot.config, torch.bfloat16))]
    tensors = ((name, snapshot.read(f"{MODEL}{name}")) for name in names)
    save_weights(snapshot.config, tensors, folder, dtype=torch.bfloat16, companions=companions)


def _companions(snapshot: StoredSnapshot, tokenizer: str | None) -> Path:
    """Return where the processor files are: as told, as the run was told, or beside the start of a run."""
    extra = snapshot.manifest.extra
    if tokenizer is None and "config" in extra:
        tokenizer = extra["config"]["tokenizer"] or extra["config"]["model"]
    folder = snapshot.path.parent if tokenizer is None else find_checkpoint(tokenizer)
    if not (folder / TOKENIZER_FILE).is_file():
        raise VL2Error(str(folder), f"has no {TOKENIZER_FILE}", do="Name a folder that has one by --tokenizer.")
    return folder


def start_run(model_folder: Path, folder: Path) -> None:
    """Write a model folder as a snapshot of step 0, in the type of its weights; one tensor at a time is in memory."""
    config = VL2Config.from_file(model_folder / CONFIG_FILE)
    if config.quantization_config is not None:
        raise VL2Error(str(model_folder), "is quantised, which cannot be trained", do="Start from the whole weights.")
    with new_directory(folder) as draft, open_tensors(model_folder) as stored:
        dtype = common_dtype(stored.headers)
        model = empty_model(config, dtype)
        check_stored(model, stored.headers)
        empty = {f"{MODEL}{name}": tensor for name, tensor in model_tensors(model)}

        def read(key: str) -> torch.Tensor:
            name = key.removeprefix(MODEL)
            fill(model, name, empty[key], stored, dtype, "cpu")
            value = model.get_parameter(name).detach()
            owner, _, attribute = name.rpartition(".")
            setattr(model.get_submodule(owner), attribute, empty[key])  # of no size again
            return value

        manifest = Manifest(step=0, config=config_to_dict(config, dtype), stream=None, extra={}, random=())
        write_snapshot(draft, manifest, empty, read)
        copy_companions(model_folder, draft)
