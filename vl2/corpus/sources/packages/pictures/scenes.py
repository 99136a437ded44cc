"""Scenes: what scenes are to be drawn around the stamps of Tux Paint; the step `scene` draws them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vl2.core.sample import Message, Sample, TextPart
from vl2.corpus.drawing.scene.cast import load_cast
from vl2.corpus.source import Source
from vl2.corpus.sources.expanded import ExpandedRows
from vl2.corpus.sources.file_rows import NamedRows, find_names
from vl2.corpus.sources.source_format import Raw, SourceFormat, number, text
from vl2.data.faults import RowError

SCENES_A_STAMP = 14


def open_scenes(source: Source) -> list[ExpandedRows]:
    """Open the stamps below a folder that a scene may show, each of them as often as it is asked for."""
    known = load_cast().by_stamp
    names = [name for name in find_names(source, (".png",)) if name in known]
    return [ExpandedRows(NamedRows(source.path, names), _numbered)]


def read_scene(raw: Raw) -> Sample:
    """Return a scene to be drawn: no picture yet, but the stamp that it is about, and a number."""
    stamp, which = text(raw.record, "file"), int(number(raw.record, "scene"))
    if stamp not in load_cast().by_stamp:
        raise RowError("a stamp that no scene shows")
    request = f"Draw scene {which} around {stamp}."  # the id of a row comes of what it says
    return Sample(f"{stamp}:{which}", (Message("user", (TextPart(request),)),), provenance={"stamp": stamp})


def _numbered(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{**record, "scene": which} for which in range(SCENES_A_STAMP)]


SCENES = {
    "stamp_scenes": SourceFormat(
        open_rows=open_scenes, read=read_scene, fields={"file": "text", "scene": "number"}, licence="GPL-2.0-or-later",
        url="https://sourceforge.net/projects/tuxpaint",
    )
}  # fmt: skip
