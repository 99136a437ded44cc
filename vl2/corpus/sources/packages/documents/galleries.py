"""Galleries of sphinx-gallery: example scripts as pages of text, code and the figures that the code drew.

The pages are read as they were before HTML (`_sources/auto_examples/**/plot_*.rst.txt`): there text, code and figures
stand in the order in which the script has them. Figures lie in `_images`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from vl2.core.sample import Sample
from vl2.corpus.source import Source
from vl2.corpus.sources.expanded import ExpandedRows
from vl2.corpus.sources.file_rows import NamedRows, find_names
from vl2.corpus.sources.packages.documents.plain_rst import plain_paragraphs
from vl2.corpus.sources.pictures import Pictures
from vl2.corpus.sources.source_format import Raw, SourceFormat, text
from vl2.corpus.sources.wordings import PLOT, asked
from vl2.data.faults import RowError

MAX_PAGE_BYTES = 1 << 20
MOST_SAID = 700  # characters of a description
QUESTIONS = ("Describe this figure.", "What does this figure show?", "Explain this plot.", "What is this figure about?")
_PAGE = re.compile(r"(?:^|/)_sources/auto_examples/(?!release_highlights)(?:[^/]+/)*plot_[^/]+\.rst\.txt$")
_TITLE = re.compile(r"^(={3,})\n(.{1,200})\n\1=*$|^(.{1,200})\n={3,}$", re.MULTILINE)
_STEP = re.compile(r"^\.\. GENERATED FROM PYTHON SOURCE LINES [\d-]+$", re.MULTILINE)
_END = re.compile(r"^(?:\.\. rst-class:: sphx-glr-timing|\.\. _sphx_glr_download)", re.MULTILINE)
_FIGURE = re.compile(r"^ *\.\. image-sg:: (\S{1,300})\n *:alt: ?(.{0,2000})$", re.MULTILINE)
_CODE = re.compile(r"^\.\. code-block:: (?:default|[Pp]ython)\n((?:\n|    .*(?:\n|\Z))+)", re.MULTILINE)
_AUTHOR = re.compile(r"^# (?:Authors?|Licen[sc]e|Modified|Created).*\n(?:^#(?:  .*)?\n)*", re.MULTILINE)


@dataclass(frozen=True)
class _Step:
    """A part of a script: what is said before it, its code, and the figures that it drew with what they are called."""

    said: tuple[str, ...]
    code: str
    figures: tuple[tuple[str, str], ...]


def open_gallery(source: Source) -> list[ExpandedRows]:
    """Open the pages below the folder of a package's HTML, a row a figure."""
    pictures = Pictures(source.path)

    def look(name: str) -> Mapping[str, Any]:
        return {"page": pictures.read_text(name, MAX_PAGE_BYTES)}

    names = [name for name in find_names(source, (".rst.txt",)) if _PAGE.search(name)]
    return [ExpandedRows(NamedRows(source.path, names, look), figures_of)]


def figures_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the figures of a page, each with its code, the code before that drew nothing, and what is said of it."""
    page = text(record, "page")
    found = _TITLE.search(page)
    if found is None:
        return []
    title = " ".join((found.group(2) or found.group(3)).split())
    before, said, figures = "", (), []
    for number, step in enumerate(_steps(page[found.end() :])):
        said = step.said or said
        shared = {"file": record["file"], "title": title, "step": number, "said": "\n".join(_shortened(said)),
                  "code": step.code, "code_before": before, "figures": len(step.figures)}  # fmt: skip
        figures += [{**shared, "figure": name, "alt": alt} for name, alt in step.figures]
        before += "" if step.figures else f"{step.code.rstrip()}\n\n"
    return figures


def read_plot(raw: Raw) -> Sample:
    """Return a figure and the code that drew it."""
    code = text(raw.record, "code").strip("\n")
    told = {"code_before": text(raw.record, "code_before"), "figures": raw.record["figures"]}
    return _sample(raw, (PLOT, code), told)


def read_described(raw: Raw) -> Sample:
    """Return a figure with its title, what is printed above its parts, and what the text says before it."""
    alt, title, said = (text(raw.record, name) for name in ("alt", "title", "said"))
    stem = PurePosixPath(text(raw.record, "figure")).stem.removeprefix("sphx_glr_").rpartition("_")[0]
    is_named = " ".join(alt.split()) not in ("", stem.replace("_", " "))  # without titles it is called as its file
    titles = f" Titles in the figure: {' '.join(alt.split()).rstrip('.')}." if is_named else ""
    head = f"{title.rstrip('.')}.{titles}"
    if not said and not is_named:
        raise RowError("a figure that nothing is said of")
    caption = "\n".join(part for part in (head, said) if part)
    question = QUESTIONS[zlib.crc32(stem.encode()) % len(QUESTIONS)]
    return _sample(raw, (question, caption), {"caption": caption})


def _sample(raw: Raw, turn: tuple[str, str], told: Mapping[str, Any]) -> Sample:
    name = PurePosixPath(text(raw.record, "figure")).name
    image = raw.pictures.image(f"_images/{name}")
    about = {"title": text(raw.record, "title"), "document": text(raw.record, "said")}
    return Sample(name, asked(*turn), (image,), provenance={**about, **told})


def _steps(page: str) -> list[_Step]:
    """Return the parts of a page below its title; a part of text alone is said of the part that follows it."""
    parts = _STEP.split(_END.split(page, maxsplit=1)[0])
    steps, said = [], ()
    for part in parts:
        code = "\n".join(_dedented(found) for found in _CODE.findall(part))
        if not code:
            said = plain_paragraphs(part)
            continue
        figures = tuple((name, alt.strip()) for name, alt in _FIGURE.findall(part))
        steps.append(_Step(said, _AUTHOR.sub("", code).strip("\n"), figures))
        said = ()
    return steps


def _dedented(block: str) -> str:
    return "\n".join(line[4:] for line in block.rstrip().split("\n"))


def _shortened(said: Sequence[str]) -> list[str]:
    """Return the first paragraphs, as many as are short enough together."""
    kept, size = [], 0
    for paragraph in said:
        size += len(paragraph)
        if size > MOST_SAID:
            break
        kept.append(paragraph)
    return kept


_FIELDS = {"file": "text", "title": "text", "step": "number", "said": "text", "code": "text", "code_before": "text",
           "figures": "number", "figure": "text", "alt": "text"}  # fmt: skip
GALLERIES = {
    "gallery_plots": SourceFormat(open_rows=open_gallery, read=read_plot, fields=_FIELDS),
    "gallery_figures": SourceFormat(open_rows=open_gallery, read=read_described, fields=_FIELDS),
}
