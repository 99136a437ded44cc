"""WIT: rows of image, page and section from Wikipedia, put together to pages again (arXiv 2103.01913)."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from vl2.core.errors import ImageError
from vl2.core.sample import ImageSource, Sample
from vl2.corpus.source import Source
from vl2.corpus.sources.csv_rows import CsvRows, open_csv
from vl2.corpus.sources.elements import key_of
from vl2.corpus.sources.pictures import basename
from vl2.corpus.sources.source_format import Raw, SourceFormat, optional_text, text
from vl2.corpus.sources.wordings import CAPTION, asked, document
from vl2.data.faults import Fault, RowError
from vl2.data.records.row import MOST_IMAGES, Row
from vl2.processor import image_size

COLUMNS = (
    "language", "page_url", "image_url", "page_title", "section_title", "hierarchical_section_title",
    "caption_reference_description", "caption_attribution_description", "caption_alt_text_description", "mime_type",
    "original_height", "original_width", "is_main_image", "attribution_passes_lang_id", "page_changed_recently",
    "context_page_description", "context_section_description",
)  # fmt: skip
_REQUIRED = ("language", "page_url", "image_url", "page_title")
MOST_SECTIONS = 256  # of one page


class PageRows:
    """One row a page: its rows of all files, by the address of the page; 24 bytes of memory a row of theirs."""

    def __init__(self, files: list[CsvRows]) -> None:
        self.path = files[0].path
        self._files = files
        keys, self._file, self._piece, self._place = array("q"), array("h"), array("q"), array("q")
        self._faults: list[Fault] = []
        for number, file in enumerate(files):
            for piece, place, row in file.walk():
                if isinstance(row, Fault):
                    self._faults.append(row)
                    continue
                keys.append(key_of(row.record.get("page_url") or ""))
                self._file.append(number)
                self._piece.append(piece)
                self._place.append(place)
        self._order = np.argsort(np.frombuffer(keys, np.int64), kind="stable")  # [rows]
        ordered = np.frombuffer(keys, np.int64)[self._order]  # [rows]
        self._firsts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, int)
        self.piece_rows = np.array([1] * len(self._firsts) + [len(self._faults)] * bool(self._faults), int)  # [pieces]

    def read(self, piece: int) -> list[Row | Fault]:
        """Return the page of a piece; the last piece is the rows that could not be read."""
        if piece == len(self._firsts):
            return list(self._faults)
        end = self._firsts[piece + 1] if piece + 1 < len(self._firsts) else len(self._order)
        numbers = self._order[self._firsts[piece] : end][:MOST_SECTIONS].tolist()
        found = [self._files[self._file[n]].read(self._piece[n])[self._place[n]] for n in numbers]
        return [Row({"rows": [row.record for row in found if isinstance(row, Row)]})]


def open_pages(source: Source) -> list[PageRows]:
    """Open files of rows as pages."""
    return [PageRows(open_csv(source))]


def read_image(raw: Raw) -> Sample:
    """Return one image with the caption that its page gives it, else what its own page or its alt text says."""
    record = raw.record
    caption = next((record[name].strip() for name in COLUMNS[6:9] if optional_text(record, name).strip()), "")
    if not caption:
        raise RowError("an image without a caption")
    return Sample(raw.name, asked(CAPTION, caption), (_image(raw, record),), provenance=_about(record, caption))


def read_page(raw: Raw) -> Sample:
    """Return a page: its title and opening, then of each section heading, text and images with their captions."""
    rows = raw.record["rows"]
    first = rows[0]
    pieces: list[str | ImageSource] = [f"# {text(first, 'page_title')}", first["context_page_description"]]
    seen: set[str] = set()
    num_missing = 0
    for row in sorted(rows, key=lambda row: (row["is_main_image"].lower() != "true", row["section_title"] != "")):
        heading = row["hierarchical_section_title"].strip() or row["section_title"].strip()
        if heading not in seen and row["section_title"].strip():
            pieces += [f"## {row['section_title'].strip()}", row["context_section_description"]]
        seen.add(heading)
        try:
            image = _image(raw, row)
            image_size(image)
            pieces.append(image)
        except (RowError, ImageError):
            num_missing += 1
        pieces.append(row["caption_reference_description"] or row["caption_alt_text_description"])
    if sum(isinstance(piece, ImageSource) for piece in pieces) > MOST_IMAGES:
        raise RowError("too many images")
    messages, images, said = document(pieces)
    told = {"url": first["page_url"], "language": first["language"], "document": said, "missing_images": num_missing}
    return Sample(first["page_url"], messages, images, provenance=told)


def _image(raw: Raw, record: Any) -> ImageSource:
    url = text(record, "image_url")
    return raw.pictures.of_address(url, basename(url))


def _about(record: Any, caption: str) -> dict[str, Any]:
    metadata = {name: record[name] for name in ("page_title", "section_title", "language") if record.get(name)}
    described = optional_text(record, "context_section_description") or optional_text(
        record, "context_page_description"
    )
    return {"url": record["page_url"], "caption": caption, "metadata": metadata, "document": described}


_FIELDS = {name: "text" if name in _REQUIRED else "text?" for name in COLUMNS}
WIT = {
    "wit": SourceFormat(
        open_rows=open_pages, read=read_page, fields={"rows": "list"}, licence="CC-BY-SA-3.0",
        url="https://github.com/google-research-datasets/wit",
    ),
    "wit_images": SourceFormat(
        open_rows=open_csv, read=read_image, fields=_FIELDS, licence="CC-BY-SA-3.0",
        url="https://github.com/google-research-datasets/wit",
    ),
}  # fmt: skip
