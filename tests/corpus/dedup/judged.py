"""Run a step that sees all blocks, over rows in this process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vl2.core.sample import ImagePart, ImageSource, Message, Sample, TextPart
from vl2.corpus.gathering import Gathered, Refusal, take
from vl2.corpus.ingest import ingest
from vl2.corpus.source import Source
from vl2.corpus.steps import STEPS


def text_row(text: str, picture: bytes | None = None) -> Sample:
    images = (ImageSource(data=picture),) if picture else ()
    asked = Message("user", (*[ImagePart()] * len(images), TextPart("Describe.")))
    row = Sample("row", (asked, Message("assistant", (TextPart(text),))), images=images)
    return ingest(row, Source(name="planted", path=""))


def judge(folder: Path, step: str, rows: Sequence[Sample], *, block_rows: int = 100, **settings: Any) -> list[Refusal]:
    """Return what a step refuses of rows that are cut into blocks."""
    kind = STEPS[step]
    assert kind.gathering is not None
    chosen = kind.settings(**settings)
    files = []
    for first in range(0, len(rows), block_rows):
        file = folder / f"{step}-{first:08d}.npz"
        file.write_bytes(take(kind.gathering, chosen, rows[first : first + block_rows]))
        files.append(file)
    return list(kind.gathering.refuse(Gathered(files), chosen))
