"""The formats of installed packages, by name: a part of the table of sources."""

from __future__ import annotations

from vl2.corpus.sources.packages.formulas_in_docs import FORMULAS_IN_DOCS
from vl2.corpus.sources.source_format import SourceFormat

PACKAGES: dict[str, SourceFormat] = {
    **FORMULAS_IN_DOCS,
}
