"""Stored: the last rows of a run as they lie on disk, read one by one, without the others of their block."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample, sample_from_dict
from vl2.corpus.block import shard_name
from vl2.corpus.manifest import Receipt, has_manifest, read_manifest
from vl2.corpus.run import PIN

UNIT = tarfile.BLOCKSIZE
MOST_MEMBER = 64 << 20  # bytes of a row's JSON, or of one of its images: more was never written


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """A finished run: its recipe as it was written down, and the folders of its stages."""

    folder: Path
    recipe: dict[str, Any]
    stages: tuple[Path, ...]

    @property
    def name(self) -> str:
        """Return what the run is called."""
        return self.folder.resolve().name

    def blocks(self) -> Iterator[Receipt]:
        """Yield what became of each block."""
        return read_manifest(self.stages[-1])

    def shard(self, block: int) -> Path:
        """Return the tar of a block's last rows, kept and rejected."""
        return self.stages[-1] / shard_name(block)


def is_run(folder: Path) -> bool:
    """Tell whether a corpus was begun here."""
    return (folder / PIN).is_file()


def open_run(folder: Path) -> StoredRun:
    """Return a finished run. Raises VL2Error when it is none."""
    try:
        recipe = json.loads((folder / PIN).read_bytes())["recipe"]
    except (OSError, ValueError, KeyError, TypeError):
        raise VL2Error(str(folder), "no corpus run here", do="Run `vl2 corpus run` first.") from None
    found = sorted(folder.glob("stage-*"), key=lambda stage: int(stage.name.partition("-")[2]))
    if not found or not all(map(has_manifest, found)):
        raise VL2Error(str(folder), "is not finished", do="Run `vl2 corpus run` until it ends.")
    return StoredRun(folder=folder, recipe=recipe, stages=tuple(found))


def walk(path: Path) -> Iterator[tuple[int, Sample]]:
    """Yield each row of a tar that `pack` wrote, without the bytes of its images, and where it begins."""
    with _opened(path) as stream:
        while (member := _next_member(stream, path)) is not None:
            name, size = member
            start = stream.tell()
            if name.endswith(".json"):
                yield start - UNIT, _sample(stream.read(size), path)
            stream.seek(start + _padded(size))


def read_row(path: Path, offset: int, *, with_images: bool = True) -> Sample:
    """Return the row that begins at `offset`. Raises VL2Error where none does."""
    with _opened(path) as stream:
        stream.seek(offset)
        member = _next_member(stream, path)
        if member is None or not member[0].endswith(".json"):
            raise VL2Error(str(path), "no row begins there", got=offset)
        start = stream.tell()
        sample = _sample(stream.read(member[1]), path)
        if not with_images:
            return sample
        stream.seek(start + _padded(member[1]))
        return replace(sample, images=tuple(_with_bytes(stream, sample, path)))


def _with_bytes(stream: BinaryIO, sample: Sample, path: Path) -> Iterator[Any]:
    for image in sample.images:
        member = _next_member(stream, path)
        if member is None or member[0].endswith(".json"):
            raise VL2Error(str(path), "an image is missing")
        data = stream.read(member[1])
        stream.seek(_padded(member[1]) - member[1], 1)
        yield replace(image, data=data)


def _next_member(stream: BinaryIO, path: Path) -> tuple[str, int] | None:
    """Return the name and size of the file whose header comes next, None at the end."""
    header = stream.read(UNIT)
    if len(header) < UNIT or not any(header):
        return None
    try:
        info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except tarfile.TarError:
        raise VL2Error(str(path), "is damaged", do="Compare it with its manifest: vl2 corpus verify.") from None
    if not 0 <= info.size <= MOST_MEMBER:
        raise VL2Error(str(path), "a file inside is too large", got=info.size, expected=f"at most {MOST_MEMBER}")
    return info.name, info.size


def _sample(data: bytes, path: Path) -> Sample:
    try:
        return sample_from_dict(json.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise VL2Error(str(path), "a row cannot be read", do="Run its recipe again in another folder.") from None


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError:
        raise VL2Error(str(path), "cannot be opened", do="Run its recipe again in another folder.") from None


def _padded(size: int) -> int:
    return -(-size // UNIT) * UNIT
