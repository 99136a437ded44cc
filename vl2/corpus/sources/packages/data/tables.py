"""Data tables: tables of installed packages, as charts and small tables to draw. A row's number decides which."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import partial
from typing import Any

from vl2.core.sample import Sample
from vl2.corpus.drawing.chart.data import FIELD, Chart, chart_to_dict
from vl2.corpus.drawing.table.data import FIELD as TABLE_FIELD
from vl2.corpus.drawing.table.data import table_to_dict
from vl2.corpus.source import Source
from vl2.corpus.sources.expanded import ExpandedRows
from vl2.corpus.sources.file_rows import NamedRows, find_names
from vl2.corpus.sources.packages.data.charts import make_chart
from vl2.corpus.sources.packages.data.columns import DataTable, Language, read_table, table_kind
from vl2.corpus.sources.packages.data.excerpts import make_excerpt
from vl2.corpus.sources.source_format import Raw, SourceFormat, number, text
from vl2.corpus.sources.wordings import asked
from vl2.data.faults import RowError

ENDINGS = (".csv", ".tsv", ".json")
MOST_TRIES = 60
CHINESE_SHARE = 0.45
FEWEST_EXCERPTS = 60


def open_tables(source: Source, fewest: int = 0) -> list[ExpandedRows]:
    """Open the known tables below a folder, a row a chart or a part of one, at least so many of each."""
    names = [name for name in find_names(source, ENDINGS) if table_kind(name) is not None]

    def numbered(record: Mapping[str, Any]) -> list[dict[str, Any]]:
        kind = table_kind(record["file"])
        return [{"file": record["file"], "number": place} for place in range(max(fewest, kind.rows) if kind else 0)]

    return [ExpandedRows(NamedRows(source.path, names), numbered)]


def read_chart(raw: Raw) -> Sample:
    """Return what a chart shows, as text and for the step that draws it. Raises RowError when none comes of it."""
    name, table, dice, language = _lot_of(raw, "chart")
    for _ in range(MOST_TRIES):
        chart = make_chart(table, language, dice)
        if chart is not None:
            return _sample(name, chart, table.kind.licence)
    raise RowError("a table of which no chart came")


def read_excerpt(raw: Raw) -> Sample:
    """Return a part of a table, as HTML and for the step that draws it. Raises RowError when none comes of it."""
    name, table, dice, language = _lot_of(raw, "excerpt")
    for _ in range(MOST_TRIES):
        excerpt = make_excerpt(table, language, dice)
        if excerpt is not None:
            told = {TABLE_FIELD: table_to_dict(excerpt), "licence": table.kind.licence}
            return Sample(name, asked(excerpt.title, excerpt.html(), 0), provenance=told)
    raise RowError("a table of which no part came")


def _lot_of(raw: Raw, what: str) -> tuple[str, DataTable, random.Random, Language]:
    """Return the name of a row, its table, and the lots that decide what is made of it, in which language."""
    file, place = text(raw.record, "file"), int(number(raw.record, "number"))
    dice = random.Random(f"{what} {file} {place}")
    return f"{file}:{place}", read_table(raw.pictures, file), dice, "zh" if dice.random() < CHINESE_SHARE else "en"


def _sample(name: str, chart: Chart, licence: str) -> Sample:
    title, *lines = chart.lines()
    told = {FIELD: chart_to_dict(chart), "document": "\n".join((title, *lines)), "licence": licence}
    return Sample(name, asked(f"{chart.kind}: {title}", "\n".join(lines), 0), provenance=told)


_FIELDS = {"file": "text", "number": "number"}
_URL = "https://github.com/vega/vega-datasets"
DATA_TABLES = {
    "data_charts": SourceFormat(
        open_rows=open_tables, read=read_chart, fields=_FIELDS, licence="BSD-3-Clause", url=_URL
    ),
    "data_tables": SourceFormat(
        open_rows=partial(open_tables, fewest=FEWEST_EXCERPTS),
        read=read_excerpt,
        fields=_FIELDS,
        licence="BSD-3-Clause",
        url=_URL,
    ),
}
