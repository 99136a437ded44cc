"""The table of sources: every published set that can be read, by name."""

from __future__ import annotations

from vl2.core.errors import ConfigError, nearest
from vl2.corpus.source import Source
from vl2.corpus.sources.conversations import CONVERSATIONS
from vl2.corpus.sources.detection import DETECTION
from vl2.corpus.sources.flickr30k import FLICKR30K
from vl2.corpus.sources.folders import FOLDERS
from vl2.corpus.sources.formulas import FORMULAS
from vl2.corpus.sources.grit import GRIT
from vl2.corpus.sources.interleaved import INTERLEAVED
from vl2.corpus.sources.packages.table import PACKAGES
from vl2.corpus.sources.pictures import Pictures, folder_of
from vl2.corpus.sources.question_table import QUESTIONS
from vl2.corpus.sources.refcoco import REFERENCES
from vl2.corpus.sources.regions import REGIONS
from vl2.corpus.sources.screens import SCREENS
from vl2.corpus.sources.source_format import SourceFormat, SourceRows
from vl2.corpus.sources.tables import TABLES
from vl2.corpus.sources.text_pairs import TEXT_PAIRS
from vl2.corpus.sources.visual_genome import VISUAL_GENOME
from vl2.corpus.sources.web_pages import WEB_PAGES
from vl2.corpus.sources.wit import WIT
from vl2.data.records import RecordList, open_records

SOURCES: dict[str, SourceFormat] = {
    **DETECTION,
    **REFERENCES,
    **VISUAL_GENOME,
    **FLICKR30K,
    **GRIT,
    **TABLES,
    **CONVERSATIONS,
    **INTERLEAVED,
    **WIT,
    **WEB_PAGES,
    **TEXT_PAIRS,
    **SCREENS,
    **REGIONS,
    **QUESTIONS,
    **FORMULAS,
    **FOLDERS,
    **PACKAGES,
}


def open_source(source: Source) -> RecordList:
    """Open the rows of a source. Raises VL2Error when they are not there, ConfigError on an unknown format."""
    if source.format is None:
        return open_records(source.path, source.images)
    kind = format_of(source)
    pictures = Pictures(source.images or folder_of(source.path))
    return RecordList([SourceRows(file, kind, source, pictures) for file in kind.open_rows(source)])


def format_of(source: Source) -> SourceFormat:
    """Return the format of a source by its name. Raises ConfigError when there is none."""
    name = source.format or ""
    if name not in SOURCES:
        do = nearest(name, SOURCES) or "`vl2 corpus sources` lists them."
        raise ConfigError(f"source {source.name}", "unknown format", got=repr(name)[:80], do=do)
    return SOURCES[name]
