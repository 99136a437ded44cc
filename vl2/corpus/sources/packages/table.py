"""The formats of installed packages, by name: a part of the table of sources."""

from __future__ import annotations

from vl2.corpus.sources.packages.data.tables import DATA_TABLES
from vl2.corpus.sources.packages.documents.formulas import FORMULAS_IN_DOCS
from vl2.corpus.sources.packages.documents.galleries import GALLERIES
from vl2.corpus.sources.packages.documents.help_texts import HELP_TEXTS
from vl2.corpus.sources.packages.documents.manuals import MANUALS
from vl2.corpus.sources.packages.documents.web_templates import WEB_TEMPLATES
from vl2.corpus.sources.packages.pictures.openclipart import OPENCLIPART
from vl2.corpus.sources.packages.pictures.scenes import SCENES
from vl2.corpus.sources.packages.pictures.tuxpaint import TUXPAINT
from vl2.corpus.sources.packages.sayings.fortunes import FORTUNES
from vl2.corpus.sources.packages.sayings.wordnet import WORDNET
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
