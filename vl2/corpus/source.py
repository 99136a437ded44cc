"""Source: where rows come from, and under which terms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Source:
    """Records of one origin: a file, a folder, a pattern or a URL, see vl2.data.records."""

    name: str
    path: str
    images: str | None = None  # the folder that image paths are relative to; that of their file unless given
    licence: str = "unknown"
    url: str = ""
    format: str | None = None  # of vl2.corpus.sources; without one, a row is a conversation, as to train on
    split: str = "train"  # of a format whose rows tell theirs
