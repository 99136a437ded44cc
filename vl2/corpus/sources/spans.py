"""Spans: captions whose phrases carry boxes, as the grounded steps read them from `caption` and `spans`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vl2.corpus.sources.geometry import Corners

Span = tuple[int, int, Corners]  # characters of the caption, box in pixels


def told_spans(caption: str, spans: Sequence[Span]) -> dict[str, Any]:
    """Return what provenance holds of a grounded caption."""
    return {"caption": caption, "spans": [[start, end, *corners] for start, end, corners in spans]}
