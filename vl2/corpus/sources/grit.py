"""GRIT of Kosmos-2: captions with the boxes of their noun chunks and of what refers to them (arXiv 2306.14824)."""

from __future__ import annotations

from typing import Any

from vl2.core.sample import ImageSource, Sample, SceneObject
from vl2.corpus.sources.geometry import Size, from_grid
from vl2.corpus.sources.rows import open_records_of
from vl2.corpus.sources.source_format import Raw, SourceFormat, listed, name_of, number, text
from vl2.corpus.sources.spans import Span, told_spans
from vl2.corpus.sources.wordings import CAPTION, asked
from vl2.data.faults import RowError


def read_grit(raw: Raw) -> Sample:
    """Return a caption with its spans; referring expressions stand above noun chunks, which they widen.

    Offsets are floats in Parquet, boxes are shares of the image. A phrase that several entries name has several boxes.
    """
    record = raw.record
    caption, size = text(record, "caption"), (number(record, "width"), number(record, "height"))
    expressions, chunks = ([_span(one, caption, size) for one in listed(record, name)]
                           for name in ("ref_exps", "noun_chunks"))  # fmt: skip
    spans = list(dict.fromkeys((*expressions, *chunks)))
    objects = tuple(SceneObject(caption[start:end].strip(), corners) for start, end, corners in expressions or chunks)
    told: dict[str, Any] = {**told_spans(caption, spans), "url": text(record, "url")}
    for name in ("clip_similarity_vitb32", "clip_similarity_vitl14"):
        if isinstance(record.get(name), float | int):
            told.setdefault("scores", {})[name] = float(record[name])
    name = name_of(record, ("id", "key"), raw.name)
    return Sample(name, asked(CAPTION, caption), (_image(raw),), objects, provenance=told)


def _image(raw: Raw) -> ImageSource:
    if raw.beside:
        return raw.given()
    return raw.pictures.of_address(text(raw.record, "url"), str(raw.record.get("key") or ""))


def _span(told: Any, caption: str, size: Size) -> Span:
    start, end, *corners = told[:6]
    if start != int(start) or end != int(end) or not 0 <= start < end <= len(caption):
        raise RowError("a phrase is not in its caption")
    return int(start), int(end), from_grid(corners, size)


GRIT = {
    "grit": SourceFormat(
        open_rows=open_records_of, read=read_grit, licence="Ms-PL", url="https://huggingface.co/datasets/zzliang/GRIT",
        fields={"key": "text?", "id": "any?", "url": "text", "caption": "text", "width": "number", "height": "number",
                "noun_chunks": "list", "ref_exps": "list", "clip_similarity_vitb32": "number?",
                "clip_similarity_vitl14": "number?"},
    ),
}  # fmt: skip
