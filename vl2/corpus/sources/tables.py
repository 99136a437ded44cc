"""Tables with their HTML: PubTabNet (arXiv 1911.10683), FinTabNet and its corrected form FinTabNet.c."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vl2.core.sample import Sample, SceneObject
from vl2.corpus.sources.geometry import Corners, four, from_bottom
from vl2.corpus.sources.html_table import cell_text, from_cells, from_tokens, read_grid
from vl2.corpus.sources.pdf_pages import render_page
from vl2.corpus.sources.rows import open_records_of
from vl2.corpus.sources.source_format import Raw, SourceFormat, listed, name_of, number, text
from vl2.corpus.sources.wordings import TABLE, asked
from vl2.data.faults import RowError

DOTS_PER_INCH = 144
MARGIN = 4.0  # points around a table


def read_pubtabnet(raw: Raw) -> Sample:
    """Return an image of a table and its HTML; empty cells have no box."""
    record = raw.record
    cells = _cells(record)
    split = text(record, "split")
    image = raw.pictures.first_of((f"{split}/{text(record, 'filename')}", record["filename"]))
    objects = [
        SceneObject(cell_text(cell["tokens"]), four(cell["bbox"]), 0, "cell") for cell in cells if "bbox" in cell
    ]
    table = from_tokens(record["html"]["structure"]["tokens"], cells)
    return _sample(raw, image, table, objects, name_of(record, ("imgid",), raw.name))


def read_fintabnet(raw: Raw) -> Sample:
    """Return a table of a page with its HTML; boxes are points from the bottom left of the page.

    The page is drawn twice the size of a screen's and cut to the table where the row tells where that is.
    """
    record = raw.record
    cells = _cells(record)
    table = from_tokens(record["html"]["structure"]["tokens"], cells)
    document = raw.pictures.read(text(record, "filename"))
    page = render_page(document, 0, DOTS_PER_INCH)
    told = [(cell_text(cell["tokens"]), from_bottom(cell["bbox"], page.box)) for cell in cells if cell.get("bbox")]
    area = _around(from_bottom(record["bbox"], page.box), [box for _, box in told])
    return _drawn(raw, document, table, area, told, name_of(record, ("table_id",), raw.name))


def read_fintabnet_c(raw: Raw) -> Sample:
    """Return a table whose cells tell their rows and columns; boxes are points from the top left of the page."""
    record = raw.record
    cells = listed(record, "cells")
    folder, file = str(record.get("pdf_folder") or ""), text(record, "pdf_file_name")
    document = raw.pictures.read(f"{folder.rstrip('/')}/{file}".lstrip("/"))
    told = [(str(cell["json_text_content"]).strip(), four(cell["pdf_bbox"])) for cell in cells if cell.get("pdf_bbox")]
    area = _around(four(record["pdf_table_bbox"]), [box for _, box in told])
    page = int(number(record, "pdf_page_index")) if record.get("pdf_page_index") is not None else 0
    return _drawn(raw, document, from_cells(cells), area, told, name_of(record, ("structure_id",), raw.name), page)


def _drawn(
    raw: Raw,
    document: bytes,
    table: str,
    area: Corners,
    told: Sequence[tuple[str, Corners]],
    name: str,
    number: int = 0,
) -> Sample:
    page = render_page(document, number, DOTS_PER_INCH, area)
    left, top = (round(max(0.0, value) * page.scale) for value in area[:2])
    objects = []
    for label, box in told:
        x1, y1, x2, y2 = (value * page.scale for value in box)
        objects.append(SceneObject(label, (x1 - left, y1 - top, x2 - left, y2 - top), 0, "cell"))
    return _sample(raw, page.image, table, objects, name)


def _around(table: Corners, cells: Sequence[Corners]) -> Corners:
    """Return the table with all of its cells, and a margin: told boxes of tables are narrower than their headings."""
    x1, y1, x2, y2 = zip(table, *cells, strict=True)
    return min(x1) - MARGIN, min(y1) - MARGIN, max(x2) + MARGIN, max(y2) + MARGIN


def _cells(record: Mapping[str, Any]) -> list[Any]:
    """Return the cells: the data has `cells` where its own README says `cell`."""
    told = record["html"]
    cells = told["cells"] if "cells" in told else told["cell"]
    if not isinstance(cells, list):
        raise RowError("cells are not a list")
    return cells


def _sample(raw: Raw, image: Any, table: str, objects: Sequence[SceneObject], name: str) -> Sample:
    grid = read_grid(table)
    if not grid.is_whole:
        raise RowError("a table whose cells do not fill its grid")
    told: dict[str, Any] = {"html": table, "document": grid.lines(), "cells": grid.num_cells}
    if isinstance(raw.record.get("split"), str):
        told["split"] = raw.record["split"]
    return Sample(name, asked(TABLE, table), (image,), tuple(objects), (table,), provenance=told)


_TABLE_LICENCE = "CDLA-Permissive-1.0"  # of the annotations; pages stay under their owners' terms
TABLES = {
    "pubtabnet": SourceFormat(
        open_rows=open_records_of, read=read_pubtabnet, licence=f"{_TABLE_LICENCE} AND PMC-terms",
        url="https://github.com/ibm-aur-nlp/PubTabNet",
        fields={"filename": "text", "split": "text", "imgid": "number", "html": "mapping"},
    ),
    "fintabnet": SourceFormat(
        open_rows=open_records_of, read=read_fintabnet, licence=_TABLE_LICENCE,
        url="https://developer.ibm.com/exchanges/data/all/fintabnet",
        fields={"filename": "text", "split": "text", "table_id": "number", "bbox": "list", "html": "mapping"},
    ),
    "fintabnet_c": SourceFormat(
        open_rows=open_records_of, read=read_fintabnet_c, licence=_TABLE_LICENCE,
        url="https://huggingface.co/datasets/bsmock/FinTabNet.c",
        fields={"cells": "list", "pdf_file_name": "text", "pdf_folder": "text?", "pdf_page_index": "number?",
                "pdf_table_bbox": "list", "pdf_full_page_bbox": "list?", "structure_id": "text?", "split": "text?",
                "rows": "any?", "columns": "any?", "document_id": "text?"},
    ),
}  # fmt: skip
