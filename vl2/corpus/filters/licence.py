"""Licence: which terms a corpus may hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from vl2.core.sample import Sample


@dataclass(frozen=True, kw_only=True)
class LicencePolicy:
    """Patterns such as `CC-BY-*`, compared without case; what is refused wins over what is allowed."""

    allow: tuple[str, ...] = ("*",)
    refuse: tuple[str, ...] = ()

    def find_reason(self, sample: Sample) -> str | None:
        """Return why the row's licence is not allowed."""
        licence = str(sample.provenance["licence"])
        if _matches(licence, self.refuse) or not _matches(licence, self.allow):
            return f"licence {licence[:60]}"
        return None


def _matches(licence: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(licence.lower(), pattern.lower()) for pattern in patterns)
