"""Web pages and plots with their code: WebSight 0.1 and 0.2, notebooks as files and in The Stack.

Nothing here runs or renders what it reads: code and pages are texts until a sandbox takes them.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vl2.core.sample import Sample
from vl2.corpus.source import Source
from vl2.corpus.sources.expanded import ExpandedRows
from vl2.corpus.sources.file_rows import NamedRows, find_names
from vl2.corpus.sources.pictures import Pictures
from vl2.corpus.sources.rows import open_records_of
from vl2.corpus.sources.source_format import Raw, SourceFormat, optional_text, text
from vl2.corpus.sources.wordings import PAGE, PLOT, asked
from vl2.data.faults import RowError
from vl2.processor.images import DEFAULT_LIMITS

MAX_NOTEBOOK_BYTES = 64 << 20
MOST_CODE_BEFORE = 20_000  # characters of earlier cells that are kept
_EXTERNAL = re.compile(
    r"""(?:src|href|data|action|poster)\s{0,9}=\s{0,9}["']?\s{0,9}((?:https?:|file:|ftp:|//)[^\s"'>]{1,2000})"""
    r"""|url\(\s{0,9}["']?\s{0,9}((?:https?:|file:|//)[^\s"')]{1,2000})|@import\s{1,9}["']([^"']{1,2000})""",
    re.IGNORECASE,
)
_MOST_EXTERNAL = 50


def read_websight(raw: Raw) -> Sample:
    """Return a screenshot and its page; what the page would fetch is told in `external`, for who renders it."""
    page = text(raw.record, "text").strip()
    external = [next(filter(None, found.groups()))[:300] for found in _EXTERNAL.finditer(page)]
    told: dict[str, Any] = {"html": page, "external": list(dict.fromkeys(external))[:_MOST_EXTERNAL]}
    if idea := optional_text(raw.record, "llm_generated_idea"):
        told["idea"] = idea
    return Sample(raw.name, asked(PAGE, page), (raw.given(raw.record.get("image")),), (), (page,), provenance=told)


def open_notebooks(source: Source) -> list[ExpandedRows]:
    """Open the .ipynb and .ipynb.gz files below a folder, a row a figure."""
    pictures = Pictures(source.path)

    def look(name: str) -> Mapping[str, Any]:
        return {"content": pictures.read_text(name, MAX_NOTEBOOK_BYTES)}

    names = [name for name in find_names(source, (".ipynb", ".ipynb.gz")) if ".ipynb_checkpoints/" not in name]
    return [ExpandedRows(NamedRows(source.path, names, look), figures_of)]


def open_stack(source: Source) -> list[ExpandedRows]:
    """Open Parquet of The Stack whose `content` is a notebook, a row a figure."""
    return [ExpandedRows(file, figures_of) for file in open_records_of(source)]


def figures_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the figures of a notebook, each with the code of its cell and that of the cells before it."""
    notebook = json.loads(text(record, "content"))
    before = ""
    found: list[dict[str, Any]] = []
    about = {name: record[name] for name in record if name != "content"}
    for number, (code, outputs) in enumerate(_cells(notebook)):
        figures = [figure for output in outputs for figure in _figures(output)]
        found += [
            {**about, "figure": figure, "code": code, "code_before": before, "cell": number, "figures": len(figures)}
            for figure in figures
        ]
        before = f"{before}{code.rstrip()}\n"[-MOST_CODE_BEFORE:]
    return found


def read_figure(raw: Raw) -> Sample:
    """Return a figure and the code that drew it; `code_lines` counts those that are neither blank nor comments."""
    record = raw.record
    try:
        data = base64.b64decode("".join(record["figure"].split()), validate=True)
    except (binascii.Error, ValueError):
        raise RowError("a figure that is not base64") from None
    code = text(record, "code").rstrip()
    lines = [line for line in code.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    told: dict[str, Any] = {"code_before": record["code_before"], "figures": record["figures"],
                            "code_lines": len(lines)}  # fmt: skip
    name = str(record.get("file") or record.get("hexsha") or raw.name)
    licences = record.get("max_stars_repo_licenses")
    if isinstance(licences, list) and licences:
        told["licence"] = " OR ".join(map(str, licences))
    if record.get("max_stars_repo_name"):
        told["url"] = f"https://github.com/{record['max_stars_repo_name']}"
    image = raw.pictures.image(data)
    return Sample(f"{name}:{record['cell']}", asked(PLOT, code), (image,), (), (code,), provenance=told)


def _cells(notebook: Any) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield code and outputs of the code cells of format 4, or of format 3, which has them on worksheets."""
    sheets = notebook.get("worksheets") or [notebook]
    for cell in (cell for sheet in sheets for cell in sheet["cells"]):
        if cell.get("cell_type") == "code":
            yield _joined(cell.get("source", cell.get("input", ""))), cell.get("outputs") or []


def _figures(output: Any) -> list[str]:
    """Return the PNG of an output in base64: under its type in format 4, as `png` in format 3."""
    data = output.get("data") or {}
    told = data.get("image/png") if isinstance(data, dict) else None
    told = told if told is not None else output.get("png")
    figure = _joined(told) if told is not None else ""
    return [figure] if 0 < len(figure) <= DEFAULT_LIMITS.max_bytes * 2 else []


def _joined(told: Any) -> str:
    """Return a text that may be told as the list of its lines."""
    if isinstance(told, list):
        told = "".join(told)
    if not isinstance(told, str):
        raise TypeError("neither a text nor lines")
    return told


_FIGURE_FIELDS = {"figure": "text", "code": "text", "code_before": "text", "cell": "number", "figures": "number"}
_STACK_FIELDS = ("hexsha", "ext", "lang", "max_stars_repo_path", "max_stars_repo_name", "max_stars_repo_head_hexsha")
WEB_PAGES = {
    "websight": SourceFormat(
        open_rows=open_records_of, read=read_websight, licence="CC-BY-4.0",
        url="https://huggingface.co/datasets/HuggingFaceM4/WebSight",
        fields={"image": "image", "text": "text", "llm_generated_idea": "text?"},
    ),
    "notebooks": SourceFormat(
        open_rows=open_notebooks, read=read_figure, fields={**_FIGURE_FIELDS, "file": "text"},
    ),
    "stack_notebooks": SourceFormat(
        open_rows=open_stack, read=read_figure, url="https://huggingface.co/datasets/bigcode/the-stack",
        fields={**_FIGURE_FIELDS, **dict.fromkeys(_STACK_FIELDS, "text?"), "size": "number?",
                "max_stars_repo_licenses": "list?", "max_stars_count": "number?", "avg_line_length": "number?",
                "max_line_length": "number?", "alphanum_fraction": "number?"},
    ),
}  # fmt: skip
