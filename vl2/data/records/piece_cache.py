"""The pieces of files that were read last: the rows of one piece are wanted one by one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from vl2.core.sample import Sample
from vl2.data.faults import Fault

CACHE_BYTES = 512 << 20  # of the rows of one source
_ROW_BYTES = 4096  # what a row is taken to hold beside its images

Rows = Sequence[Sample | Fault]


class PieceCache:
    """Keep pieces within CACHE_BYTES. One thread reads at a time: neighbours want the same piece."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, tuple[int, Rows]] = OrderedDict()

    def get(self, piece: int, read: Callable[[int], Rows]) -> Rows:
        """Return a piece, read now or before."""
        with self._lock:
            if piece not in self._kept:
                rows = read(piece)
                self._kept[piece] = (sum(map(_num_bytes, rows)), rows)
            self._kept.move_to_end(piece)
            while len(self._kept) > 1 and sum(size for size, _ in self._kept.values()) > CACHE_BYTES:
                self._kept.popitem(last=False)
            return self._kept[piece][1]

    def __reduce__(self) -> tuple[type[PieceCache], tuple[()]]:
        return PieceCache, ()  # it travels to other processes empty


def _num_bytes(row: Sample | Fault) -> int:
    return _ROW_BYTES + (sum(len(image.data or b"") for image in row.images) if isinstance(row, Sample) else 0)
