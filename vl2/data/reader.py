"""Reader: one row as the model reads it, in two steps, so that pixels are decoded only for rows that are full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

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
    """What workers do, here or in other processes."""

    def __init__(self, records: Mapping[str, Records], processor: Processor, *, mask_prompt: bool) -> None:
        self._records, self._processor = dict(records), processor
        # what a row says is text: it opens no turn and places no image, but it may hold boxes in marks
        self._rules = ChatRules(mask_prompt=mask_prompt, trusted=False, keep_marks=True)

    def measure(self, source: str, piece: int, row: int) -> Measured | Fault:
        """Return the document of a row, from its text and the sizes of its images."""
        sample = self._records[source].read(piece)[row]
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
