"""Tar: rows as WebDataset, JSON and encoded images side by side; equal rows give equal bytes."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import replace

from vl2.core.encoded import image_suffix
from vl2.core.sample import Sample, sample_from_dict, sample_to_dict
from vl2.corpus.manifest import to_line


def pack(batch: Sequence[Sample], prefix: str = "") -> bytes:
    """Return rows as an archive: `000012.json`, `000012.0.png`, ..; `prefix` stands before each name."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for number, sample in enumerate(batch):
            add_file(archive, f"{prefix}{number:06d}.json", to_line(sample_to_dict(sample)))
            for place, image in enumerate(sample.images):
                data = image.data or b""
                add_file(archive, f"{prefix}{number:06d}.{place}.{image_suffix(data)}", data)
    return out.getvalue()


def unpack(data: bytes) -> list[Sample]:
    """Return the rows of an archive that `pack` wrote."""
    batch: list[Sample] = []
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            stream = archive.extractfile(member)
            content = stream.read() if stream is not None else b""
            if member.name.endswith(".json"):
                batch.append(sample_from_dict(json.loads(content)))
            else:
                place = int(member.name.split(".")[1])
                images = list(batch[-1].images)
                images[place] = replace(images[place], data=content)
                batch[-1] = replace(batch[-1], images=tuple(images))
    return batch


def add_file(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """Append a file; its time, owner and mode are those of nobody, so that equal files are equal bytes."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))
