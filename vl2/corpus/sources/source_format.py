"""Source format: how the rows of a published set lie on disk, which fields they have, and how one becomes a Sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

import numpy as np

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource, Sample
from vl2.corpus.source import Source
from vl2.corpus.sources.pictures import Pictures
from vl2.data.faults import Fault, RowError, fault_of
from vl2.data.records.row import RecordFile, Row

Record = Mapping[str, Any]
WRONG = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, ZeroDivisionError, RecursionError)


@dataclass(frozen=True, kw_only=True)
class Raw:
    """One row before it is read: its record, the encoded images beside it, and where other images lie."""

    record: Record
    beside: tuple[bytes, ...]
    name: str
    pictures: Pictures

    def given(self, told: object = None) -> ImageSource:
        """Return the image beside the record, else the one that a field tells. Raises RowError without either."""
        return self.pictures.image(self.beside[0] if self.beside else told)


@dataclass(frozen=True, kw_only=True)
class SourceFormat:
    """One published set. Kinds of fields: see vl2.corpus.sources.drift."""

    open_rows: Callable[[Source], Sequence[RecordFile]]
    read: Callable[[Raw], Sample]
    fields: Mapping[str, str] = field(default_factory=dict)
    licence: str = "unknown"  # of the set; that of the recipe and that of the row stand above it
    url: str = ""


class SourceRows:
    """The rows of one file of a source as Samples."""

    def __init__(self, file: RecordFile, kind: SourceFormat, source: Source, pictures: Pictures) -> None:
        self.file, self.kind, self.source, self.pictures = file, kind, source, pictures
        self.piece_rows = file.piece_rows  # [pieces]
        self._first_row = np.cumsum([0, *file.piece_rows])  # [pieces+1]

    def read(self, piece: int) -> Sequence[Sample | Fault]:
        """Return the rows of a piece."""
        first = int(self._first_row[piece])
        return [self._sample(row, number) for number, row in enumerate(self.file.read(piece), first)]

    def _sample(self, row: Row | Fault, number: int) -> Sample | Fault:
        if isinstance(row, Fault):
            return row
        name = f"{PurePath(self.file.path).name}:{number}"  # rows of all files of a source have names of their own
        raw = Raw(record=row.record, beside=row.images, name=name, pictures=self.pictures)
        try:
            sample = self.kind.read(raw)
        except VL2Error as error:
            return fault_of(error)
        except WRONG:
            return Fault("a field is missing or of the wrong type")
        if sample.provenance.get("split", self.source.split) != self.source.split:
            return Fault("a row of another split")
        return replace(sample, provenance={**self._terms(), **sample.provenance})

    def _terms(self) -> dict[str, str]:
        """Return the terms of the set where the recipe tells none."""
        terms = {"licence": self.kind.licence} if self.source.licence == "unknown" else {}
        return {**terms, "url": self.source.url or self.kind.url, "format": self.source.format or ""}


def text(record: Record, name: str) -> str:
    """Return a field that is a text. Raises RowError when it is missing or none."""
    value = record.get(name)
    if not isinstance(value, str):
        raise RowError(f"{name} is not a text", got=type(value).__name__)
    return value


def optional_text(record: Record, name: str) -> str:
    """Return a field that may be missing, null or a text."""
    return "" if record.get(name) is None else text(record, name)


def number(record: Record, name: str) -> float:
    """Return a field that is a finite number. Raises RowError when it is missing or none."""
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        raise RowError(f"{name} is not a number", got=type(value).__name__)
    return float(value)


def listed(record: Record, name: str) -> list[Any]:
    """Return a field that is a list. Raises RowError when it is missing or none."""
    value = record.get(name)
    if not isinstance(value, list):
        raise RowError(f"{name} is not a list", got=type(value).__name__)
    return value


def name_of(record: Record, names: Sequence[str], otherwise: str) -> str:
    """Return the first of some fields that holds an id."""
    found = (record[name] for name in names if isinstance(record.get(name), str | int))
    return str(next(found, otherwise))
