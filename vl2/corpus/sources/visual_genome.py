"""Visual Genome: phrases of regions, and objects with their names, of each image (arXiv 1602.07332)."""

from __future__ import annotations

from typing import Any

from vl2.core.sample import ImageSource, Sample, SceneObject
from vl2.corpus.sources.geometry import Corners, from_xywh
from vl2.corpus.sources.rows import open_records_of
from vl2.corpus.sources.source_format import Raw, SourceFormat, listed, name_of, text
from vl2.data.faults import RowError

_FOLDERS = ("", "VG_100K/", "VG_100K_2/")


def read_regions(raw: Raw) -> Sample:
    """Return an image with an object of kind `region` for each phrase."""
    found = listed(raw.record, "regions")
    return _sample(raw, [SceneObject(text(one, "phrase").strip(), _corners(one), 0, "region") for one in found])


def read_objects(raw: Raw) -> Sample:
    """Return an image with its objects under their first names; other names are in `other_names` of provenance."""
    found = listed(raw.record, "objects")
    objects = [SceneObject(str(listed(one, "names")[0]).strip(), _corners(one)) for one in found]
    others = {item.label: one["names"][1:] for item, one in zip(objects, found, strict=True) if one["names"][1:]}
    return _sample(raw, objects, {"other_names": others} if others else {})


def _corners(one: Any) -> Corners:
    """Return the corners: objects have `w` and `h`, regions `width` and `height`."""
    width, height = ("w", "h") if "w" in one else ("width", "height")
    return from_xywh((one["x"], one["y"], one[width], one[height]))


def _sample(raw: Raw, objects: list[SceneObject], told: dict[str, Any] | None = None) -> Sample:
    if not objects:
        raise RowError("an image with nothing labelled")
    name = name_of(raw.record, ("image_id", "id"), raw.name)
    return Sample(name, (), (_image(raw, name),), tuple(objects), provenance=told or {})


def _image(raw: Raw, name: str) -> ImageSource:
    return raw.pictures.first_of(f"{folder}{name}.jpg" for folder in _FOLDERS)


_URL, _LICENCE = "https://homes.cs.washington.edu/~ranjay/visualgenome", "CC-BY-4.0"

VISUAL_GENOME = {
    "visual_genome_regions": SourceFormat(
        open_rows=open_records_of, read=read_regions, licence=_LICENCE, url=_URL,
        fields={"id": "number?", "image_id": "number?", "regions": "list"},
    ),
    "visual_genome_objects": SourceFormat(
        open_rows=open_records_of, read=read_objects, licence=_LICENCE, url=_URL,
        fields={"image_id": "number", "objects": "list", "image_url": "text?"},
    ),
}  # fmt: skip
