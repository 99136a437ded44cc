"""Data tables: tables of installed packages, as charts to draw of them. Which falls by a row's number alone."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from vl2.core.sample import Sample
from vl2.corpus.drawing.chart_data import FIELD, Chart, chart_to_dict
from vl2.corpus.source import Source
from vl2.corpus.sources.expanded import ExpandedRows
from vl2.corpus.sources.file_rows import NamedRows, find_names
from vl2.corpus.sources.packages.data_charts import make_chart
from vl2.corpus.sources.packages.data_columns import Language, read_table, table_kind
from vl2.corpus.sources.source_format import Raw, SourceFormat, number, text
from vl2.corpus.sources.wordings import asked
from vl2.data.faults import RowError

ENDINGS = (".csv", ".tsv", ".json")
MOST_TRIES = 60
CHINESE_SHARE = 0.45


def open_charts(source: Source) -> list[ExpandedRows]:
    """Open the known tables below a folder, a row a chart."""
    names = [name for name in find_names(source, ENDINGS) if table_kind(name) is not None]

    def numbered(record: Mapping[str, Any]) -> list[dict[str, Any]]:
        kind = table_kind(record["file"])
        return [{"file": record["file"], "number": place} for place in range(kind.rows if kind else 0)]

    return [ExpandedRows(NamedRows(source.path, names), numbered)]


def read_chart(raw: Raw) -> Sample:
    """Return what a chart shows, as text and for the step that draws it. Raises RowError when none comes of it."""
    file, place = text(raw.record, "file"), int(number(raw.record, "number"))
    table = read_table(raw.pictures, file)
    dice = random.Random(f"chart {file} {place}")
    language: Language = "zh" if dice.random() < CHINESE_SHARE else "en"
    for _ in range(MOST_TRIES):
        chart = make_chart(table, language, dice)
        if chart is not None:
            return _sample(f"{file}:{place}", chart, table.kind.licence)
    raise RowError("a table of which no chart came")


def _sample(name: str, chart: Chart, licence: str) -> Sample:
    title, *lines = chart.lines()
    told = {FIELD: chart_to_dict(chart), "document": "\n".join((title, *lines)), "licence": licence}
    return Sample(name, asked(f"{chart.kind}: {title}", "\n".join(lines), 0), provenance=told)


DATA_TABLES = {
    "data_charts": SourceFormat(
        open_rows=open_charts, read=read_chart, fields={"file": "text", "number": "number"}, licence="BSD-3-Clause",
        url="https://github.com/vega/vega-datasets",
    ),
}  # fmt: skip
