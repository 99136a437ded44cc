"""Data titles: what a chart of a table is called, in English and Chinese."""

from __future__ import annotations

from collections.abc import Sequence

from vl2.corpus.sources.packages.data.columns import DataTable, Language
from vl2.corpus.sources.packages.data.groups import Chosen, say_cell

_MEASURES = {
    "en": {"mean": "Average {name}", "sum": "Total {name}", "count": "Number of {rows}", "most": "Highest {name}",
           "single": "{name}"},
    "zh": {"mean": "平均{name}", "sum": "{name}合计", "count": "{rows}数量", "most": "最高{name}", "single": "{name}"},
}  # fmt: skip
_ZH_COUNTED = {"天": "天数", "月份": "月数", "年份": "年数"}
_SCALES = {"en": {1.0: "", 1e6: "millions", 1e9: "billions"}, "zh": {1.0: "", 1e6: "百万", 1e9: "十亿"}}


def say_measure(table: DataTable, measure: str | None, combine: str, language: Language) -> str:
    """Return what values are, as a phrase that starts a title."""
    name = table.kind.columns[measure].say(language) if measure else ""
    rows = table.kind.zh if language == "zh" else table.kind.en
    if language == "zh" and combine == "count" and rows in _ZH_COUNTED:
        return _ZH_COUNTED[rows]
    return capital(_MEASURES[language][combine].format(name=name, rows=rows))


def say_axis(table: DataTable, measure: str | None, combine: str, language: Language, scale: float) -> str:
    """Return what stands at the axis of values: what they are, and their unit."""
    unit = table.kind.columns[measure].say_unit(language) if measure else ""
    return with_unit(say_measure(table, measure, combine, language), unit, language, scale)


def with_unit(said: str, unit: str, language: Language, scale: float = 1.0) -> str:
    """Return a phrase with its unit in brackets."""
    scaled = _SCALES[language][scale]
    joined = f"{scaled}{unit}" if language == "zh" else f"{unit} {scaled}".strip()
    if not joined:
        return said
    return f"{said}（{joined}）" if language == "zh" else f"{said} ({joined})"


def say_title(
    table: DataTable, language: Language, said: str, keys: Sequence[str], chosen: Chosen, top: int = 0
) -> str | None:
    """Return the title of values by some columns; None where the chosen rows have no words."""
    names = [table.kind.columns[key].say(language) for key in keys]
    told = ""
    if chosen.column:
        value = say_cell(table, chosen.column, chosen.value, language)
        if value is None:
            return None
        told = say_value(table, chosen, value, language)
    if language == "zh":
        by = f"各{names[0]}{said}" if len(names) == 1 else f"各{names[0]}按{names[1]}划分的{said}"
        return f"{told}{by}{f'（前{top}名）' if top else ''}"
    by = f"{said} by {' and '.join(names)}"
    return f"{by}{f', top {top}' if top else ''}{f', {told}' if told else ''}"


def say_value(table: DataTable, chosen: Chosen, value: str, language: Language) -> str:
    """Return how a title names the rows that a chart is about."""
    column = table.kind.columns[chosen.column]
    is_bare = column.kind == "group" and (column.own or value[:1].isdecimal())  # does not say what it is
    if language == "en":
        return f"{column.en} {value}" if is_bare else value
    if column.kind == "year":
        return f"{value}年"
    return f"{column.zh}{value}：" if is_bare else f"{value}："


def capital(said: str) -> str:
    """Return a phrase as a title starts with it."""
    return said[:1].upper() + said[1:]
