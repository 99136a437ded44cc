"""Documents of texts and images in their order: OBELICS, WanJuan, wikiHow. No image is fetched, only looked for.

A page whose images are gone is kept without them, and says how many: addresses die, texts do not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from vl2.core.errors import ImageError
from vl2.core.sample import ImageSource, Sample
from vl2.corpus.sources.csv_rows import open_csv
from vl2.corpus.sources.pictures import basename
from vl2.corpus.sources.rows import open_records_of
from vl2.corpus.sources.source_format import Raw, SourceFormat, listed, name_of, optional_text, text
from vl2.corpus.sources.wordings import asked, document
from vl2.data.faults import RowError
from vl2.data.records.row import MOST_IMAGES
from vl2.processor import image_size

# of bounded length: what never closes would be looked through from each of its beginnings
_PICTURE = re.compile(r"!\[[^\]]{0,1000}\]\(\s{0,9}<?([^)\s>]{1,2000})>?[^)]{0,500}\)")


def read_obelics(raw: Raw) -> Sample:
    """Return a page: of `images` and `texts` exactly one is given at each place; metadata are JSON in a text."""
    images, texts = listed(raw.record, "images"), listed(raw.record, "texts")
    if len(images) != len(texts) or any(
        (one is None) == (other is None) for one, other in zip(images, texts, strict=True)
    ):
        raise RowError("not exactly one of image and text at each place")
    told = json.loads(text(raw.record, "metadata"))
    if not isinstance(told, list) or len(told) != len(images):
        raise RowError("metadata are not one for each place")
    pieces: list[str | _Address] = []
    for url, said, about in zip(images, texts, told, strict=True):
        more = str((about or {}).get("formatted_filename") or "") if url is not None else ""
        pieces.append(said if url is None else _Address(str(url), more))
    general = json.loads(optional_text(raw.record, "general_metadata") or "{}")
    page = next((about["document_url"] for about in told if isinstance(about, dict) and "document_url" in about), "")
    # a page keeps its name when files are cut anew: shares of a set are taken by it
    name = hashlib.blake2b(json.dumps([images, texts]).encode(), digest_size=8).hexdigest()
    return _placed(raw, pieces, name, {"url": str(general.get("url") or page)})


def read_wanjuan(raw: Raw) -> Sample:
    """Return a page: Markdown whose pictures are addresses, told with their hashes in `img_list`."""
    content = text(raw.record, "content")
    known = {}
    for one in raw.record.get("img_list") or ():
        url = one.get("url") or one.get("img_url")
        known[url] = str(one.get("sha256") or "")
    pieces: list[str | _Address] = []
    at = 0
    for found in _PICTURE.finditer(content):
        pieces += [content[at : found.start()], _Address(found[1], known.get(found[1], ""))]
        at = found.end()
    return _placed(raw, [*pieces, content[at:]], name_of(raw.record, ("id",), raw.name), {})


def read_wikihow_steps(raw: Raw) -> Sample:
    """Return an article of wikiHow-VGSI: its goal, and of each method the steps with their pictures."""
    record = raw.record
    goal = text(record, "goal")
    pieces: list[str | _Address] = [f"# {goal}", optional_text(record, "goal_description")]
    licences: dict[str, None] = {}
    for method in listed(record, "methods"):
        pieces.append(f"## {optional_text(method, 'name')}" if method.get("name") else "")
        for number, step in enumerate(listed(method, "steps"), 1):
            headline, description = optional_text(step, "headline"), optional_text(step, "description")
            if step.get("img"):
                pieces.append(_Address(str(step["img"]), str(step.get("step_id") or "")))
            pieces.append(f"{number}. {headline}\n{description}".strip())
            licences |= dict.fromkeys([str(step["img_license"])] if step.get("img_license") else [])
    told: dict[str, Any] = {"categories": record.get("category_hierarchy") or [], "image_licences": list(licences)}
    return _placed(raw, pieces, name_of(record, ("file_id",), raw.name), told)


def read_wikihow_article(raw: Raw) -> Sample:
    """Return an article of wikihowAll.csv, or a section of wikihowSep.csv: text alone."""
    title = text(raw.record, "title").strip()
    sections = [optional_text(raw.record, name).strip() for name in ("overview", "headline", "text")]
    said = "\n\n".join(section for section in sections if section)
    return Sample(raw.name, asked(title, said, 0), provenance={"document": f"{title}\n\n{said}"})


class _Address:
    def __init__(self, url: str, name: str) -> None:
        self.url, self.name = url, name


def _placed(raw: Raw, pieces: Sequence[str | _Address], name: str, told: dict[str, Any]) -> Sample:
    """Return a document with the images that are there."""
    found: list[str | ImageSource] = []
    num_missing = 0
    for piece in pieces:
        if isinstance(piece, str):
            found.append(piece)
            continue
        try:
            image = raw.pictures.of_address(piece.url, piece.name, basename(piece.url))
            image_size(image)
            found.append(image)
        except (RowError, ImageError):
            num_missing += 1
    if sum(isinstance(piece, ImageSource) for piece in found) > MOST_IMAGES:
        raise RowError("too many images")
    messages, images, said = document(found)
    return Sample(name, messages, images, provenance={**told, "document": said, "missing_images": num_missing})


INTERLEAVED = {
    "obelics": SourceFormat(
        open_rows=open_records_of, read=read_obelics, licence="CC-BY-4.0",
        url="https://huggingface.co/datasets/HuggingFaceM4/OBELICS",
        fields={"images": "list", "texts": "list", "metadata": "text", "general_metadata": "text?"},
    ),
    "wanjuan": SourceFormat(
        open_rows=open_records_of, read=read_wanjuan, licence="CC-BY-4.0",
        url="https://opendatalab.com/OpenDataLab/WanJuan1_dot_0",
        fields={"id": "any", "content": "text", "img_list": "list?"},
    ),
    "wikihow_vgsi": SourceFormat(
        open_rows=open_records_of, read=read_wikihow_steps, licence="CC-BY-NC-SA-3.0",
        url="https://github.com/YueYANG1996/wikiHow-VGSI",
        fields={"file_id": "any", "goal": "text", "goal_description": "text?", "category_hierarchy": "list?",
                "methods": "list"},
    ),
    "wikihow_csv": SourceFormat(
        open_rows=open_csv, read=read_wikihow_article, licence="CC-BY-NC-SA-3.0",
        url="https://github.com/mahnazkoupaee/WikiHow-Dataset",
        fields={"title": "text", "headline": "text", "text": "text", "overview": "text?", "sectionLabel": "text?"},
    ),
}  # fmt: skip
