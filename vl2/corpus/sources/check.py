"""Check: what the files of a source hold, before a corpus is built of them: rows, images, fields, licences."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from vl2.core.encoded import image_suffix
from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.corpus.source import Source
from vl2.corpus.sources.drift import Drift
from vl2.corpus.sources.pictures import Pictures, folder_of
from vl2.corpus.sources.source_format import SourceRows
from vl2.corpus.sources.table import format_of
from vl2.data.faults import Fault, add_fault

_SIGNATURE_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a look at every row found. Images are looked for, and at their first bytes; they are not decoded."""

    num_rows: int
    num_usable: int
    skipped: dict[str, int]  # rows by reason
    num_images: int
    num_missing: int
    num_unknown: int  # files that are no images
    missing_fields: dict[str, int]  # rows by field
    unknown_fields: dict[str, int]
    changed_fields: dict[str, int]
    licences: dict[str, int]

    @property
    def is_sound(self) -> bool:
        """Tell whether every row can be used and nothing has drifted."""
        drift = self.missing_fields or self.unknown_fields or self.changed_fields
        return not (self.skipped or self.num_missing or self.num_unknown or drift)


def check_source(source: Source) -> Checked:
    """Look at every row of a source. Raises VL2Error when its files are not there or not of its format."""
    kind = format_of(source)
    drift, licences, images = Drift(kind.fields), Counter[str](), Counter[str]()
    skipped: dict[str, int] = {}
    num_rows = 0
    pictures = Pictures(source.images or folder_of(source.path))
    for file in kind.open_rows(source):
        rows = SourceRows(file, kind, source, pictures)
        for piece in range(len(file.piece_rows)):
            for raw in file.read(piece):
                if not isinstance(raw, Fault):
                    drift.add(raw.record)
            for row in rows.read(piece):
                num_rows += 1
                if isinstance(row, Fault):
                    skipped = add_fault(skipped, row)
                else:
                    licences[str(row.provenance.get("licence", source.licence))] += 1
                    images.update(_states(row))
    return Checked(
        num_rows=num_rows, num_usable=num_rows - sum(skipped.values()), skipped=skipped, num_images=images.total(),
        num_missing=images["missing"], num_unknown=images["unknown"], missing_fields=dict(drift.missing),
        unknown_fields=dict(drift.unknown), changed_fields=dict(drift.changed), licences=dict(licences),
    )  # fmt: skip


def _states(sample: Sample) -> list[str]:
    return [_state(image.data, image.path) for image in sample.images]


def _state(data: bytes | None, path: str | None) -> str:
    try:
        if data is None:
            with Path(path or "").open("rb") as file:
                data = file.read(_SIGNATURE_BYTES)
        image_suffix(data)
    except (OSError, ValueError):
        return "missing"
    except VL2Error:
        return "unknown"
    return "there"
