"""Drift: what rows hold against what their format is known to hold.

Kinds of fields: text, number, boolean, list, mapping, image (bytes, a path, or a mapping of these), any. With `?` a
field may be missing or null.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

MOST_NAMES = 64  # a count of names grows to this, whatever the rows hold

_KINDS: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "mapping": (dict,),
    "image": (bytes, str, dict),
    "any": (object,),
}


class Drift:
    """Counts of rows by field and by what is wrong with it."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = fields
        self.missing: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.changed: Counter[str] = Counter()

    def add(self, record: Mapping[str, Any]) -> None:
        """Compare one row."""
        for name, kind in self.fields.items():
            value = record.get(name)
            if value is None:
                if not kind.endswith("?"):
                    self.missing[name] += 1
            elif not _is_kind(value, kind.removesuffix("?")):
                self.changed[f"{name}: {type(value).__name__} instead of {kind.removesuffix('?')}"] += 1
        for name in record:
            if name not in self.fields:
                self._note(self.unknown, str(name)[:80])

    def _note(self, counts: Counter[str], name: str) -> None:
        counts[name if name in counts or len(counts) < MOST_NAMES else "others"] += 1


def _is_kind(value: object, kind: str) -> bool:
    if isinstance(value, bool) and kind == "number":
        return False
    return isinstance(value, _KINDS[kind])
