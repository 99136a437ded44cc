"""Reader: one row as the model reads it, in two steps, so that pixels are decoded only for rows that are full."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from vl2.core.batch import ModelInput
from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource, Sample
from vl2.data.faults import Fault, fault_of
from vl2.data.packing import Size
from vl2.processor import Processor
from vl2.processor.chat import ChatRules
from vl2.processor.images import image_size

CACHE_BYTES = 1 << 30  # pieces of several rows that stay in memory
_ROW_BYTES = 4096  # what a row is taken to hold beside its images


class Records(Protocol):
    """Rows in pieces, as `open_records` gives them."""

    piece_rows: np.ndarray  # [pieces]

    def read(self, piece: int) -> Sequence[Sample | Fault]:
        """Return the rows of a piece."""
        ...


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A document without its tiles."""

    id: str
    document: ModelInput
    images: tuple[ImageSource, ...]

    @property
    def size(self) -> Size:
        """Return what it costs."""
        return Size.of(self.document)


class Reader:
    """What workers do. It travels to other processes; its cache stays behind."""

    def __init__(self, records: Mapping[str, Records], processor: Processor, *, mask_prompt: bool) -> None:
        self._records, self._processor = dict(records), processor
        # what a row says is text: it opens no turn and places no image, but it may hold boxes in marks
        self._rules = ChatRules(mask_prompt=mask_prompt, trusted=False, keep_marks=True)
        self._pieces = _PieceCache()

    def measure(self, source: str, piece: int, row: int) -> Measured | Fault:
        """Return the document of a row, from its text and the sizes of its images."""
        records = self._records[source]
        if records.piece_rows[piece] > 1:
            sample = self._pieces.get((source, piece), lambda: records.read(piece))[row]
        else:
            sample = records.read(piece)[row]
        if isinstance(sample, Fault):
            return sample
        limits, exif = self._processor.limits, self._processor.exif
        try:
            sizes = [image_size(image, limits=limits, exif=exif) for image in sample.images]
            document = self._processor.measure(sample.messages, sizes, self._rules, for_training=True)
        except VL2Error as error:
            return fault_of(error)
        return Measured(id=sample.id, document=document, images=sample.images)

    def cut(self, measured: Measured) -> Tensor | Fault:
        """Return the tiles [N, 3, S, S] of a document."""
        try:
            return self._processor.cut(measured.images, measured.document.grids)
        except VL2Error as error:
            return fault_of(error)


class _PieceCache:
    """The pieces used last, within CACHE_BYTES. One thread reads at a time: neighbours want the same piece."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], tuple[int, Sequence[Sample | Fault]]] = OrderedDict()

    def get(self, key: tuple[str, int], read: Any) -> Sequence[Sample | Fault]:
        """Return a piece, read now or before."""
        with self._lock:
            if key not in self._kept:
                rows = read()
                self._kept[key] = (sum(map(_num_bytes, rows)), rows)
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and sum(size for size, _ in self._kept.values()) > CACHE_BYTES:
                self._kept.popitem(last=False)
            return self._kept[key][1]

    def __reduce__(self) -> Any:
        return _PieceCache, ()


def _num_bytes(row: Sample | Fault) -> int:
    return _ROW_BYTES + (sum(len(image.data or b"") for image in row.images) if isinstance(row, Sample) else 0)
