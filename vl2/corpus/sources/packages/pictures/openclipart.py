"""Open Clip Art as Debian packs it: pictures below `png/`, and in the SVG of the same name below `svg/` what they show.

An SVG is read for its metadata and never drawn; one that declares entities is refused.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from xml.parsers import expat

from vl2.core.sample import Sample
from vl2.corpus.source import Source
from vl2.corpus.sources.file_rows import NamedRows, find_names
from vl2.corpus.sources.packages.pictures.captions import caption_of, categories_of, kind_of
from vl2.corpus.sources.packages.pictures.chinese import chinese_caption, chinese_category, chinese_kind, chinese_name
from vl2.corpus.sources.packages.pictures.flattened import flattened
from vl2.corpus.sources.packages.pictures.names import Told, clip_name
from vl2.corpus.sources.pictures import Pictures
from vl2.corpus.sources.source_format import Raw, SourceFormat, listed, text
from vl2.corpus.sources.wordings import CAPTION, CAPTION_ZH, asked
from vl2.data.faults import RowError

MAX_SVG_BYTES = 4 << 20
MOST_KEYWORDS, LONGEST = 12, 400  # characters of a field
CHINESE_SHARE = 0.6  # of the pictures whose name is known in Chinese
_PUBLIC_DOMAIN = frozenset(
    ("http://web.resource.org/cc/PublicDomain", "http://creativecommons.org/licenses/publicdomain/")
)
_DUBLIN_CORE, _CC = "http://purl.org/dc/elements/1.1/ ", "http://web.resource.org/cc/ "
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns# "
_GENERATED = ("hash", "HASH", "0x", "theme", "icons", "unsorted", "architetto")  # what programs left among keywords


def open_clipart(source: Source) -> list[NamedRows]:
    """Open the pictures of the folder that holds `png` and `svg`."""
    files = Pictures(source.path)
    names = [name for name in find_names(source, (".png",)) if name.startswith("png/")]

    def look(name: str) -> Mapping[str, Any]:
        svg = "svg/" + name.removeprefix("png/").removesuffix(".png") + ".svg"
        told = read_told(files.read(svg, MAX_SVG_BYTES))
        return {**asdict(told), "keywords": list(told.keywords)}

    return [NamedRows(source.path, names, look)]


def read_told(svg: bytes) -> Told:
    """Return what a drawing says of itself. Raises RowError on what is no SVG with metadata, or declares entities."""
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler, parser.EntityDeclHandler = reader.characters, _refuse
    try:
        parser.Parse(svg, True)
    except _Done:
        pass
    except (expat.ExpatError, ValueError):
        raise RowError("a drawing that cannot be read") from None
    return Told(
        title=reader.said["title"], description=reader.said["description"], creator=reader.said["creator"],
        keywords=tuple(reader.keywords[:MOST_KEYWORDS]), licence=reader.licence,
    )  # fmt: skip


class _Done(Exception):  # noqa: N818 - no error: what follows the metadata is the drawing, and is not read
    """The metadata have ended."""


class _Reader:
    """The first metadata of a drawing: Dublin Core within RDF, titles of agents within creators."""

    def __init__(self) -> None:
        self.said = {"title": "", "description": "", "creator": ""}
        self.keywords: list[str] = []
        self.licence = ""
        self._path: list[str] = []
        self._text = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        self._text = ""
        if name == f"{_CC}license":
            self.licence = attributes.get(f"{_RDF}resource", "")

    def characters(self, data: str) -> None:
        if len(self._text) < LONGEST:
            self._text += data

    def end(self, name: str) -> None:
        self._path.pop()
        said = " ".join(self._text[:LONGEST].split())
        field = name.removeprefix(_DUBLIN_CORE)
        within_creator = f"{_DUBLIN_CORE}creator" in self._path
        if field == "title" and within_creator:
            field = "creator"
        if name == f"{_RDF}li" and said and not said.startswith(_GENERATED):
            self.keywords.append(said)
        elif field in self.said and name != field and not self.said[field] and _is_of_work(self._path, within_creator):
            self.said[field] = said
        self._text = ""
        if name.endswith(" metadata") or name == "metadata":
            raise _Done


def _is_of_work(path: list[str], within_creator: bool) -> bool:
    """Tell whether a field is the work's, and not that of a publisher or an owner of rights."""
    return within_creator or bool(path) and path[-1] == f"{_CC}Work"


def _refuse(*told: Any) -> None:
    raise RowError("a drawing that declares entities")


def read_clip(raw: Raw) -> Sample:
    """Return a picture with a caption in English or Chinese, its keywords and its category."""
    record = raw.record
    told = Told(
        title=text(record, "title"), description=text(record, "description"), creator=text(record, "creator"),
        keywords=tuple(map(str, listed(record, "keywords"))), licence=text(record, "licence"),
    )  # fmt: skip
    file = text(record, "file")
    inside = file.removeprefix("png/")
    name = clip_name(inside, told)
    image = flattened(raw.pictures.image(file))
    # the same picture in several folders says the same, so that it is found to be one
    dice = random.Random(hashlib.blake2b(image.data or b"", digest_size=8).digest())
    kind = kind_of(inside)
    name_zh = chinese_name(name, kind)
    caption = caption_of(inside, name, told.description, dice)
    question = CAPTION
    if name_zh and dice.random() < CHINESE_SHARE:
        caption, question = chinese_caption(name_zh, kind, dice), CAPTION_ZH
    categories = categories_of(inside)
    metadata = {"title": name, "kind": kind, "category": ", ".join(categories), "keywords": ", ".join(told.keywords)}
    if name_zh:
        chinese = {"title_zh": name_zh, "kind_zh": chinese_kind(kind), "category_zh": chinese_category(categories)}
        metadata.update(chinese)
    known = {field: value for field, value in metadata.items() if value}
    licence = {"licence": "public domain"} if told.licence in _PUBLIC_DOMAIN else {}
    return Sample(
        file, asked(question, caption), (image,), provenance={"caption": caption, "metadata": known, **licence}
    )


OPENCLIPART = {
    "openclipart": SourceFormat(
        open_rows=open_clipart, read=read_clip, url="https://openclipart.org",
        fields={"file": "text", "title": "text", "description": "text", "keywords": "list", "creator": "text",
                "licence": "text"},
    ),
}  # fmt: skip
