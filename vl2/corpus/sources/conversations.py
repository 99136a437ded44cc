"""Conversations that vl2.data.records reads already: ShareGPT4V, ALLaVA, The Cauldron, FineVision, Docmatix.

Here is added what a corpus wants to know besides: old captions, addresses, ratings of turns, subsets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, cast

from vl2.core.sample import Sample
from vl2.corpus.sources.pdf_pages import num_pages, render_page
from vl2.corpus.sources.rows import open_records_of
from vl2.corpus.sources.source_format import Raw, SourceFormat, listed, name_of, optional_text
from vl2.data.faults import Fault, RowError
from vl2.data.records.forms import to_sample
from vl2.data.records.root import Root
from vl2.data.records.row import MOST_IMAGES, Row

RATINGS = (
    "relevance_ratings", "image_correspondence_ratings", "visual_dependency_ratings", "formatting_ratings",
)  # fmt: skip
PDF_DOTS_PER_INCH = 150


def converse(raw: Raw, record: Mapping[str, Any], beside: tuple[bytes, ...] = ()) -> Sample:
    """Return a conversation as training reads it. Raises RowError with its reason."""
    found = to_sample(Row(record, beside), raw.name, cast(Root, raw.pictures))
    if isinstance(found, Fault):
        raise RowError(found.reason)
    return found


def read_llava(raw: Raw) -> Sample:
    """Return an item of LLaVA's form; the first folder of its image is the part of the set that it is of."""
    sample = converse(raw, raw.record, raw.beside)
    told: dict[str, Any] = {}
    if isinstance(raw.record.get("image"), str):
        told["subset"] = PurePosixPath(raw.record["image"]).parts[0]
    if caption := optional_text(raw.record, "original_caption"):
        told["caption"] = caption
    if url := optional_text(raw.record, "url"):
        told["url"] = url
    return replace(sample, provenance=told)


def read_texts(raw: Raw) -> Sample:
    """Return a row of `images` and `texts`; turns whose lists of ratings are of another length are refused."""
    sample = converse(raw, raw.record, raw.beside)
    texts = listed(raw.record, "texts")
    sources = dict.fromkeys(one["source"] for one in texts if isinstance(one.get("source"), str))
    told: dict[str, Any] = {"subset": ", ".join(sources)} if sources else {}
    ratings = {name: raw.record[name] for name in RATINGS if raw.record.get(name) is not None}
    if any(len(values) != len(texts) for values in ratings.values()):
        raise RowError("ratings are not one for each turn")
    if ratings:
        told["ratings"] = ratings
    return replace(sample, provenance=told)


def read_pdf_texts(raw: Raw) -> Sample:
    """Return questions about the pages of a PDF, drawn as Docmatix drew them; their text is `document`."""
    data = raw.record["pdf"]
    if not isinstance(data, bytes):
        raise RowError("a document is not bytes")
    pages = num_pages(data)
    if not 1 <= pages <= MOST_IMAGES:
        raise RowError("a document without pages, or with too many", got=pages, expected=MOST_IMAGES)
    drawn = [render_page(data, number, PDF_DOTS_PER_INCH) for number in range(pages)]
    record = {"texts": listed(raw.record, "texts"), "images": [page.image.data for page in drawn]}
    told = {"document": "\n\n".join(page.text for page in drawn).strip()}
    return replace(converse(raw, record), id=name_of(raw.record, ("id",), raw.name), provenance=told)


_LLAVA_FIELDS = {"id": "any", "image": "text?", "conversations": "list"}
_TEXTS_FIELDS = {"images": "list", "texts": "list"}
_HUB = "https://huggingface.co/datasets"

CONVERSATIONS = {
    "sharegpt4v": SourceFormat(
        open_rows=open_records_of, read=read_llava, fields=_LLAVA_FIELDS, licence="CC-BY-NC-4.0",
        url=f"{_HUB}/Lin-Chen/ShareGPT4V",
    ),
    "allava": SourceFormat(
        open_rows=open_records_of, read=read_llava, licence="non-commercial",
        url=f"{_HUB}/FreedomIntelligence/ALLaVA-4V",
        fields={**_LLAVA_FIELDS, "original_caption": "text?", "url": "text?"},
    ),
    "cauldron": SourceFormat(
        open_rows=open_records_of, read=read_texts, fields=_TEXTS_FIELDS, licence="varies by subset",
        url=f"{_HUB}/HuggingFaceM4/the_cauldron",
    ),
    "finevision": SourceFormat(
        open_rows=open_records_of, read=read_texts, licence="varies by subset", url=f"{_HUB}/HuggingFaceM4/FineVision",
        fields={**_TEXTS_FIELDS, "source": "text?", **dict.fromkeys(RATINGS, "list?")},
    ),
    "docmatix": SourceFormat(
        open_rows=open_records_of, read=read_texts, fields=_TEXTS_FIELDS, licence="MIT",
        url=f"{_HUB}/HuggingFaceM4/Docmatix",
    ),
    "docmatix_pdf": SourceFormat(
        open_rows=open_records_of, read=read_pdf_texts, licence="MIT", url=f"{_HUB}/HuggingFaceM4/Docmatix",
        fields={"pdf": "image", "texts": "list", "id": "any?"},
    ),
}  # fmt: skip
