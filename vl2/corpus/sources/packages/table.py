"""The formats of installed packages, by name: a part of the table of sources."""

from __future__ import annotations

from vl2.corpus.sources.source_format import SourceFormat

PACKAGES: dict[str, SourceFormat] = {}
