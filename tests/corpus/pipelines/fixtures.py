"""Tiny sources for the recipes, drawn anew: rows as readers give them, at the paths that the recipes name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from vl2.core.sample import ImagePart, Message, Sample, SceneObject, TextPart
from vl2.corpus.pocket.draw import draw
from vl2.corpus.tar import pack

NUM_ROWS = 12


def scenes() -> list[Sample]:
    return [draw("ground", "train", 0, index) for index in range(NUM_ROWS)]


def kinds() -> list[Sample]:
    """Return scenes whose objects are called by their shape alone: more of them have one in common."""
    return [replace(row, objects=tuple(replace(o, label=o.label.split()[-1]) for o in row.objects)) for row in scenes()]


def captions() -> list[Sample]:
    """Return scenes told as GRIT does: a caption, and where its phrases are in characters and pixels."""
    return [_captioned(sample) for sample in scenes()]


def outlined() -> list[Sample]:
    """Return scenes with an outline of every object: here a diamond within its box."""
    return [replace(row, provenance={**row.provenance, "outlines": [_diamond(o) for o in row.objects]})
            for row in scenes()]  # fmt: skip


def screens() -> list[Sample]:
    """Return pages of words as screens: every object is an element with a name."""
    rows = [draw("ground", "train", 7, index) for index in range(NUM_ROWS)]
    return [replace(row, objects=tuple(replace(o, kind="element") for o in row.objects)) for row in rows]


SOURCES: dict[str, Callable[[], list[Sample]]] = {
    "scenes": scenes, "kinds": kinds, "captions": captions, "outlined": outlined, "screens": screens,
}  # fmt: skip


def write_sources(folder: Path, names: list[str]) -> None:
    """Write the named sources where recipes look for them."""
    for name in names:
        place = folder / "runs" / "corpus" / "in" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "rows.tar").write_bytes(pack(SOURCES[name]()))


def _captioned(sample: Sample) -> Sample:
    caption, spans = "The picture shows", []
    for item in sample.objects:
        caption += " a " if not spans else ", a "
        spans.append([len(caption), len(caption) + len(item.label), *item.box])
        caption += item.label
    return replace(sample, messages=(Message("user", (ImagePart(),)), Message("assistant", (TextPart(f"{caption}."),))),
                   objects=(), provenance={**sample.provenance, "caption": f"{caption}.", "spans": spans})  # fmt: skip


def _diamond(item: SceneObject) -> list[float]:
    x1, y1, x2, y2 = item.box
    return [(x1 + x2) / 2, y1, x2, (y1 + y2) / 2, (x1 + x2) / 2, y2, x1, (y1 + y2) / 2]
