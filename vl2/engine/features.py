"""Visual tokens that are kept, so that the same image is encoded once."""

from __future__ import annotations

import threading
from collections import OrderedDict

from torch import Tensor

DEFAULT_FEATURE_BYTES = 256 << 20


class FeatureCache:
    """Visual tokens of images by key, the longest unused dropped first. Several engines of one model may share it."""

    def __init__(self, max_bytes: int = DEFAULT_FEATURE_BYTES) -> None:
        self.max_bytes = max_bytes
        self.num_bytes = self.num_hits = self.num_misses = 0
        self._kept: OrderedDict[bytes, Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> Tensor | None:
        """Return what is kept under a key."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                self.num_misses += 1
                return None
            self.num_hits += 1
            self._kept.move_to_end(key)
            return found

    def put(self, key: bytes, features: Tensor) -> None:
        """Keep features [tokens, D] if they fit at all."""
        with self._lock:
            if features.nbytes > self.max_bytes or key in self._kept:
                return
            self._kept[key] = features
            self.num_bytes += features.nbytes
            while self.num_bytes > self.max_bytes:
                _, dropped = self._kept.popitem(last=False)
                self.num_bytes -= dropped.nbytes
