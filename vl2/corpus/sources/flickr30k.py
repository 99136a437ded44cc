"""Flickr30k Entities: five captions an image, phrases linked to boxes by chains (arXiv 1505.04870)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample, SceneObject
from vl2.corpus.source import Source
from vl2.corpus.sources.geometry import Corners, check_size, from_inclusive
from vl2.corpus.sources.pictures import SUFFIXES, Pictures
from vl2.corpus.sources.source_format import Raw, SourceFormat
from vl2.corpus.sources.spans import Span, told_spans
from vl2.corpus.sources.wordings import CAPTION, asked
from vl2.data.faults import Fault, RowError
from vl2.data.records.row import Row

CAPTIONS = 5  # of an image
MAX_TEXT_BYTES, MAX_XML_BYTES = 64 << 10, 4 << 20
_FOLDERS = ("", "flickr30k-images/", "images/")
NOT_VISUAL = "0"  # the chain of what cannot be seen
_PHRASE = re.compile(r"\[/EN#(\d+)((?:/[A-Za-z]+)*) ([^\[\]]*)\]")


class FlickrRows:
    """One piece an image: its five captions, each a row."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder)
        self._files = Pictures(str(folder))
        self._names = sorted(path.stem for path in (folder / "Sentences").glob("*.txt"))
        if not self._names:
            raise VL2Error(str(folder), "no captions here", expected="Sentences/ID.txt and Annotations/ID.xml")
        self.piece_rows = np.full(len(self._names), CAPTIONS)  # [pieces]

    def read(self, piece: int) -> list[Row | Fault]:
        """Return the captions of one image."""
        name = self._names[piece]
        try:
            lines = self._files.read_text(f"Sentences/{name}.txt", MAX_TEXT_BYTES).splitlines()
            size, chains = read_chains(self._files.read(f"Annotations/{name}.xml", MAX_XML_BYTES))
        except RowError as error:
            return [Fault(str(error).removeprefix("row: ").split(" (")[0])] * CAPTIONS
        rows: list[Row | Fault] = [
            Row({"image": name, "number": number, "sentence": line, "size": size, "chains": chains})
            for number, line in enumerate(lines[:CAPTIONS])
        ]
        return rows + [Fault("an image with fewer captions than five")] * (CAPTIONS - len(rows))


def read_chains(data: bytes) -> tuple[list[float], dict[str, list[list[float]]]]:
    """Return width and height, and the boxes of each chain. Raises RowError on what is no such file.

    The parser knows no entities: a file that declares one is refused, so that nothing expands and nothing is fetched.
    """
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler, parser.EntityDeclHandler = reader.characters, _refuse
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(data, True)
        size = [float(reader.values["size", name]) for name in ("width", "height")]
    except (expat.ExpatError, KeyError, ValueError):
        raise RowError("annotations are not as published") from None
    return size, reader.chains


class _Reader:
    def __init__(self) -> None:
        self.path: list[str] = []
        self.values: dict[tuple[str, str], str] = {}
        self.chains: dict[str, list[list[float]]] = {}
        self._names: list[str] = []
        self._text = ""

    def start(self, name: str, attributes: Any) -> None:
        self.path.append(name)
        self._text = ""
        if name == "object":
            self._names = []
            for corner in ("xmin", "ymin", "xmax", "ymax"):
                self.values.pop(("bndbox", corner), None)

    def characters(self, data: str) -> None:
        self._text += data

    def end(self, name: str) -> None:
        self.path.pop()
        parent = self.path[-1] if self.path else ""
        if (parent, name) == ("object", "name"):
            self._names.append(self._text.strip())  # an object may be of several chains
        elif parent in ("size", "bndbox"):
            self.values[parent, name] = self._text.strip()
        elif name == "object" and ("bndbox", "xmin") in self.values:
            box = [float(self.values["bndbox", corner]) for corner in ("xmin", "ymin", "xmax", "ymax")]
            for chain in self._names:
                self.chains.setdefault(chain, []).append(box)


def _refuse(*told: Any) -> None:
    raise RowError("annotations that declare entities")


def read_caption(raw: Raw) -> Sample:
    """Return one caption without its marks, and where its phrases are: boxes count pixels from 1."""
    record = raw.record
    image = raw.pictures.first_of(f"{folder}{record['image']}{suffix}" for folder in _FOLDERS for suffix in SUFFIXES)
    check_size(image, record["size"])
    caption, phrases = unmark(record["sentence"])
    spans: list[Span] = []
    for start, end, chain in phrases:
        boxes: list[Corners] = [from_inclusive(box) for box in record["chains"].get(chain, ())]
        spans += [(start, end, corners) for corners in boxes if chain != NOT_VISUAL]
    objects = tuple(SceneObject(caption[start:end], corners) for start, end, corners in spans)
    name = f"{record['image']}:{record['number']}"
    return Sample(name, asked(CAPTION, caption), (image,), objects, provenance=told_spans(caption, spans))


def unmark(sentence: str) -> tuple[str, list[tuple[int, int, str]]]:
    """Return the caption, and of each phrase start, end and chain."""
    caption, phrases, at = "", [], 0
    for found in _PHRASE.finditer(sentence):
        caption += sentence[at : found.start()]
        phrases.append((len(caption), len(caption) + len(found[3]), found[1]))
        caption += found[3]
        at = found.end()
    caption += sentence[at:]
    if "[/EN#" in caption:
        raise RowError("a phrase that is not marked as published")
    return caption, phrases


def open_flickr(source: Source) -> list[FlickrRows]:
    """Open the folder that holds Sentences and Annotations."""
    return [FlickrRows(Path(source.path))]


FLICKR30K = {
    "flickr30k_entities": SourceFormat(
        open_rows=open_flickr, read=read_caption, licence="non-commercial research",
        url="https://bryanplummer.com/Flickr30kEntities",
        fields={"image": "text", "number": "number", "sentence": "text", "size": "list", "chains": "mapping"},
    ),
}  # fmt: skip
