"""The formats of installed packages, by name: a part of the table of sources."""

from __future__ import annotations

from vl2.corpus.sources.packages.data_tables import DATA_TABLES
from vl2.corpus.sources.packages.formulas_in_docs import FORMULAS_IN_DOCS
from vl2.corpus.sources.packages.fortunes import FORTUNES
from vl2.corpus.sources.packages.galleries import GALLERIES
from vl2.corpus.sources.packages.help_texts import HELP_TEXTS
from vl2.corpus.sources.packages.manuals import MANUALS
from vl2.corpus.sources.packages.openclipart import OPENCLIPART
from vl2.corpus.sources.packages.scenes import SCENES
from vl2.corpus.sources.packages.tuxpaint import TUXPAINT
from vl2.corpus.sources.packages.web_templates import WEB_TEMPLATES
from vl2.corpus.sources.packages.wordnet_entries import WORDNET
from vl2.corpus.sources.source_format import SourceFormat

PACKAGES: dict[str, SourceFormat] = {
    **DATA_TABLES,
    **FORTUNES,
    **HELP_TEXTS,
    **WORDNET,
    **OPENCLIPART,
    **TUXPAINT,
    **FORMULAS_IN_DOCS,
    **GALLERIES,
    **SCENES,
    **MANUALS,
    **WEB_TEMPLATES,
}
