"""RefCOCO, RefCOCO+ and RefCOCOg: as published, a pickle beside COCO's instances, and as mirrored in Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample, SceneObject
from vl2.corpus.source import Source
from vl2.corpus.sources.elements import Elements, index, key_of
from vl2.corpus.sources.geometry import check_size, four, from_xywh
from vl2.corpus.sources.rows import open_records_of
from vl2.corpus.sources.source_format import Raw, SourceFormat, listed, name_of, number, optional_text, text
from vl2.data.faults import Fault, RowError
from vl2.data.records.coco import load_refs
from vl2.data.records.files import open_file
from vl2.data.records.row import Row


class ReferenceRows:
    """One row for each reference of a split, with its annotation and its image."""

    def __init__(self, path: str, split: str) -> None:
        self.path = path
        refs = [ref for ref in load_refs(path) if isinstance(ref, dict)]
        self._refs = [ref for ref in refs if ref.get("split") == split]
        instances = str(Path(path).parent / "instances.json")
        self._copy, found = index(instances, {"images": "id", "annotations": "id"})
        self._images, self._annotations = found["images"], found["annotations"]
        self.piece_rows = np.ones(len(self._refs), int)  # [pieces]

    def read(self, piece: int) -> list[Row | Fault]:
        """Return the row of one piece."""
        ref = self._refs[piece]
        try:
            image = self._find(self._images, ref.get("image_id"))
            annotation = self._find(self._annotations, ref.get("ann_id"))
        except (ValueError, RecursionError):
            return [Fault("not JSON")]
        if image is None or annotation is None:
            return [Fault("a reference to an image or annotation that is not listed")]
        return [Row({**ref, "image": image, "annotation": annotation})]

    def _find(self, elements: Elements, key: Any) -> Any:
        numbers = elements.find(key_of(key))
        if not numbers:
            return None
        with open_file(self._copy) as file:
            return elements.read(file, numbers[0])


def open_refcoco(source: Source) -> list[ReferenceRows]:
    """Open `refs(SPLITBY).p` files, or the folder that holds them beside instances.json."""
    place = Path(source.path)
    files = sorted(place.glob("refs(*).p")) if place.is_dir() else [place]
    if not files:
        raise VL2Error(source.path, "no references here", expected="refs(unc).p beside instances.json")
    return [ReferenceRows(str(file), source.split) for file in files]


def read_reference(raw: Raw) -> Sample:
    """Return an image with one object, named once by each sentence; what the reference says of its file is not used."""
    record, image_record = raw.record, raw.record["image"]
    image = raw.pictures.image(text(image_record, "file_name"))
    check_size(image, (number(image_record, "width"), number(image_record, "height")))
    corners = from_xywh(record["annotation"]["bbox"])
    sentences = dict.fromkeys(text(one, "sent").strip() for one in listed(record, "sentences"))
    return _referred(raw, image, corners, list(sentences), name_of(record, ("ref_id",), raw.name))


def read_mirrored(raw: Raw) -> Sample:
    """Return a row of a Parquet mirror: its box is in corners already."""
    record = raw.record
    told = record["image"] if record.get("image") is not None else optional_text(record, "image_path")
    captions = [str(one) for one in listed(record, "captions")]
    return _referred(raw, raw.given(told), four(record["bbox"]), captions, name_of(record, ("ref_id",), raw.name))


def _referred(raw: Raw, image: Any, corners: Any, sentences: list[str], name: str) -> Sample:
    if not sentences:
        raise RowError("a reference without a sentence")
    objects = tuple(SceneObject(sentence, corners) for sentence in sentences if sentence)
    told = {"split": raw.record["split"]} if isinstance(raw.record.get("split"), str) else {}
    return Sample(name, (), (image,), objects, provenance=told)


REFERENCES = {
    "refcoco": SourceFormat(
        open_rows=open_refcoco, read=read_reference, url="https://github.com/lichengunc/refer", licence="unknown",
        fields={"ref_id": "number", "ann_id": "number", "category_id": "number", "image_id": "number",
                "file_name": "text", "split": "text", "sent_ids": "list", "sentences": "list", "image": "mapping",
                "annotation": "mapping"},
    ),
    "refcoco_mirror": SourceFormat(
        open_rows=open_records_of, read=read_mirrored, url="https://github.com/lichengunc/refer", licence="unknown",
        fields={"captions": "list", "bbox": "list", "image_path": "text?", "image": "image?", "ref_id": "any?",
                "split": "text?"},
    ),
}  # fmt: skip
