"""Folders of snapshots: named by step once they are whole, each with a manifest of what belongs to it."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from vl2.core.disk import sync
from vl2.core.errors import VL2Error

MANIFEST, VERSION = "manifest.json", 1
# Behind a snapshot's name: being written; in the way of a new one of its step; set aside since it could not be used.
INCOMPLETE, REPLACED, REFUSED = ".incomplete", ".replaced", ".refused"
_NAME = re.compile(r"step-(\d{8,})")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a snapshot holds beside its tensors."""

    step: int
    config: Mapping[str, Any]  # of the model, as the official config.json has it
    stream: Mapping[str, Any] | None  # where the data stands; None in the start of a run
    extra: Mapping[str, Any]  # what the trainer adds
    random: Sequence[Mapping[str, Any]]  # states of random numbers, by rank


def snapshot_path(folder: Path, step: int) -> Path:
    """Return where the snapshot of a step is."""
    return folder / f"step-{step:08d}"


def snapshots_in(folder: Path) -> list[Path]:
    """Return the whole snapshots of a run, the newest first."""
    found = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=step_of, reverse=True)


def step_of(path: Path) -> int:
    """Return the step of a snapshot by its name."""
    name = _NAME.fullmatch(path.name)
    assert name is not None  # from `snapshots_in` or `snapshot_path`
    return int(name[1])


def sweep(folder: Path) -> None:
    """Remove what a killed save has left behind."""
    for draft in folder.glob(f"step-*{INCOMPLETE}"):
        shutil.rmtree(draft, ignore_errors=True)
    for old in folder.glob(f"step-*{REPLACED}"):
        if old.with_suffix("").exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(old.with_suffix(""))  # killed between the two renames


def seal(draft: Path, manifest: Manifest) -> Path:
    """Add the manifest to a snapshot whose tensors are on the disk, and give it its name; returns where it is."""
    files = {path.name: path.stat().st_size for path in draft.iterdir()}
    with (draft / MANIFEST).open("w", encoding="utf-8") as file:
        json.dump({"version": VERSION, "files": files, **asdict(manifest)}, file)
        file.flush()
        os.fsync(file.fileno())
    sync(draft)
    whole = draft.with_suffix("")
    if whole.exists():
        whole.rename(whole.with_suffix(REPLACED))
    draft.rename(whole)
    sync(whole.parent)
    shutil.rmtree(whole.with_suffix(REPLACED), ignore_errors=True)
    return whole


def keep(folder: Path, keep_last: int) -> None:
    """Remove all snapshots but the last ones."""
    for path in snapshots_in(folder)[keep_last:]:
        # renamed first, lest a kill leaves half a snapshot under a whole one's name
        path.rename(path.with_suffix(INCOMPLETE))
        shutil.rmtree(path.with_suffix(INCOMPLETE), ignore_errors=True)


def read_manifest(snapshot: Path) -> Manifest:
    """Read the manifest of a snapshot whose files are all there and whole in size. Raises VL2Error otherwise."""
    try:
        values = json.loads((snapshot / MANIFEST).read_text(encoding="utf-8"))
        version, files = values["version"], values["files"]
        if version != VERSION:
            raise VL2Error(str(snapshot), "a snapshot of another version", got=version, expected=VERSION)
        manifest = Manifest(**{field.name: values[field.name] for field in fields(Manifest)})
    except FileNotFoundError:
        raise VL2Error(str(snapshot), f"no snapshot: it has no {MANIFEST}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VL2Error(str(snapshot / MANIFEST), f"cannot be read: {type(error).__name__} {error}"[:160]) from None
    for name, size in files.items():
        path = snapshot / name
        found = path.stat().st_size if path.is_file() else None
        if found != size:
            raise VL2Error(
                str(path), "is cut off" if found is not None else "is missing", got=found, expected=f"{size} bytes"
            )
    return manifest
