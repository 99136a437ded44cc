"""Tiny files in the layouts of published sets, made anew for each test."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vl2.core.sample import Sample
from vl2.corpus.source import Source
from vl2.corpus.sources.table import open_source
from vl2.data.faults import Fault


def picture(seed: int = 0, size: tuple[int, int] = (64, 48), kind: str = "PNG") -> bytes:
    """Return an encoded image of some size."""
    pixels = np.random.default_rng(seed).integers(0, 255, (3, 4, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).resize(size).save(out, kind)
    return out.getvalue()


def write(path: Path, content: Any) -> Path:
    """Write bytes, a text, JSON lines (a tuple) or JSON; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, str):
        path.write_text(content, encoding="utf-8")
    elif isinstance(content, tuple):
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content), encoding="utf-8")
    else:
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows in groups of two."""
    import pyarrow
    import pyarrow.parquet as parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=2)
    return path


def rows_of(name: str, path: Path, **more: str) -> list[Sample | Fault]:
    """Return the rows of a source."""
    return list(open_source(Source(name="made", format=name, path=str(path), **more)))


def usable(name: str, path: Path, **more: str) -> list[Sample]:
    """Return the rows of a source that can be used."""
    return [row for row in rows_of(name, path, **more) if isinstance(row, Sample)]


def faults(name: str, path: Path, **more: str) -> list[str]:
    """Return why the other rows cannot be used."""
    return [row.reason for row in rows_of(name, path, **more) if isinstance(row, Fault)]


def answer_of(sample: Sample) -> str:
    """Return what the last answer says."""
    return "".join(getattr(part, "text", "") for part in sample.messages[-1].parts)


def question_of(sample: Sample) -> str:
    """Return what the first question says."""
    return "".join(getattr(part, "text", "") for part in sample.messages[0].parts).strip()
