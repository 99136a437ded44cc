"""Formulas in documentation: the LaTeX of pages that Sphinx made, as written, in parts, and put together anew."""

from __future__ import annotations

import html
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vl2.core.sample import Sample
from vl2.corpus.source import Source
from vl2.corpus.sources.expanded import ExpandedRows
from vl2.corpus.sources.file_rows import NamedRows, find_names
from vl2.corpus.sources.pictures import Pictures
from vl2.corpus.sources.source_format import Raw, SourceFormat, text
from vl2.corpus.sources.wordings import FORMULA, asked

MAX_PAGE_BYTES = 4 << 20
LONGEST, SHORTEST_PART, LONGEST_TO_JOIN = 400, 6, 80  # characters
MOST_JOINED = 12  # of a page
_PLACE = re.compile(
    r'<(?:span|div) class="math[^">]{0,80}"[^>]{0,200}>\s{0,9}\\[(\[](.{1,4000}?)\\[)\]]\s{0,9}</(?:span|div)>',
    re.DOTALL,
)
_ROWS = ("split", "aligned", "align", "align*", "gather", "gather*", "gathered", "eqnarray", "eqnarray*")
_OPENED = re.compile(r"^\\begin\{([a-z]+\*?)\}(.*)\\end\{\1\}$", re.DOTALL)
_SIGN = re.compile(r"\\[A-Za-z]+|\\.|[{}=]", re.DOTALL)
_PAIRS = (("{", "}"), (r"\{", r"\}"), (r"\left", r"\right"), (r"\langle", r"\rangle"))
_FRACTION = re.compile(r"\\frac\s*(?=\{)")
_RELATIONS = {"=", r"\leq", r"\geq", r"\approx", r"\sim", r"\equiv", r"\propto"}
_WAYS = (
    r"\frac{%s}{%s}", r"%s + %s", r"%s - %s", r"%s = %s", r"\left( %s \right) \left( %s \right)", r"%s \leq %s",
    r"\sqrt{%s + %s}", r"\max \left\{ %s, %s \right\}", r"\sum_{i=1}^{n} \left( %s \right)^{2} + %s",
    r"\exp \left( -\frac{%s}{%s} \right)", r"\log \left( %s \right) - \log \left( %s \right)",
    r"\left[ %s \right]^{-1} %s", r"\int_{0}^{1} %s \, dx = %s", r"\left| %s - %s \right|",
    r"\mathbb{E} \left[ %s \mid %s \right]",
)  # fmt: skip


def open_docs(source: Source) -> list[ExpandedRows]:
    """Open the HTML pages below a folder, a row a formula; a page says each formula once."""
    pictures = Pictures(source.path)

    def look(record: Mapping[str, Any]) -> list[dict[str, Any]]:
        name = record["file"]
        page = pictures.read_text(name, MAX_PAGE_BYTES)
        return [{"file": name, "formula": formula, "made": made} for formula, made in formulas_of(page, name)]

    return [ExpandedRows(NamedRows(source.path, find_names(source, (".html",))), look)]


def read_formula(raw: Raw) -> Sample:
    """Return a formula without its picture: a step draws it."""
    formula = text(raw.record, "formula")
    told = {"latex": formula, "made": text(raw.record, "made")}
    return Sample(f"{text(raw.record, 'file')}:{formula}", asked(FORMULA, formula, 0), provenance=told)


def formulas_of(page: str, name: str) -> list[tuple[str, str]]:
    """Return the formulas of a page, each with how it was made: `written`, a `part` of one, or `joined` of two."""
    found: dict[str, str] = {}
    for told in _PLACE.findall(page):
        rows = _rows_of(" ".join(html.unescape(told).split()))
        found = {**dict.fromkeys(rows, "written" if len(rows) == 1 else "part"), **found}
    for formula in list(found):
        for part in _parts_of(formula):
            found.setdefault(part, "part")
    for formula in _joined(list(found), random.Random(name)):
        found.setdefault(formula, "joined")
    return [(formula, made) for formula, made in found.items() if len(formula) <= LONGEST]


def _rows_of(formula: str) -> list[str]:
    """Return the lines of a formula of several, without the marks that align them; a matrix within stays whole."""
    inner = formula.strip()
    while (opened := _OPENED.match(inner)) and opened.group(1) in _ROWS:
        inner = opened.group(2).strip()
    if r"\begin" in inner or (r"\\" not in inner and "&" not in inner):
        return [inner] if inner else []
    rows = (" ".join(re.sub(r"(?<!\\)&", " ", row).split()) for row in re.split(r"\\\\(?:\[[^\]]{0,9}\])?", inner))
    return [row for row in rows if row and _is_paired(row)]


def _parts_of(formula: str) -> Iterator[str]:
    """Yield the sides of a formula, and what stands above and below its bars."""
    sides, depth, start = [], 0, 0
    for sign in _SIGN.finditer(formula):
        depth += {"{": 1, "}": -1, r"\left": 1, r"\right": -1}.get(sign.group(), 0)
        if depth == 0 and sign.group() in _RELATIONS:
            sides.append(formula[start : sign.start()])
            start = sign.end()
    sides = [*sides, formula[start:]] if sides else []
    for bar in _FRACTION.finditer(formula):
        above = _braced(formula, bar.end())
        below = _braced(formula, bar.end() + len(above) + 2)
        sides += [above, below]
    for side in sides:
        part = side.strip(" ,.;")
        if len(part) >= SHORTEST_PART and _is_paired(part):
            yield part


def _braced(formula: str, start: int) -> str:
    """Return what stands between the brace at a place and its partner; nothing where there is none."""
    depth = 0
    for sign in _SIGN.finditer(formula, start):
        depth += {"{": 1, "}": -1}.get(sign.group(), 0)
        if depth == 0:
            return formula[start + 1 : sign.start()] if formula[start : start + 1] == "{" else ""
    return ""


def _is_paired(part: str) -> bool:
    signs = [sign.group() for sign in _SIGN.finditer(part)]
    paired = all(signs.count(one) == signs.count(other) for one, other in _PAIRS)
    return paired and all(part.count(one) == part.count(other) for one, other in ("()", "[]"))


def _joined(formulas: Sequence[str], dice: random.Random) -> Iterator[str]:
    """Yield formulas put together of two each: they mean nothing, and are read as any other."""
    short = [one.strip(" ,.;") for one in formulas if 1 < len(one) <= LONGEST_TO_JOIN and not _is_equation(one)]
    for _ in range(min(MOST_JOINED, len(short) // 2)):
        yield dice.choice(_WAYS) % tuple(dice.sample(short, 2))


def _is_equation(formula: str) -> bool:
    return not _is_paired(formula) or any(sign.group() in _RELATIONS for sign in _SIGN.finditer(formula))


FORMULAS_IN_DOCS = {
    "formulas_in_docs": SourceFormat(
        open_rows=open_docs, read=read_formula, fields={"file": "text", "formula": "text", "made": "text"},
    ),
}  # fmt: skip
