"""Ingest: a row of a source becomes a row of the corpus: images as bytes, provenance, and an id that is its content."""

from __future__ import annotations

import hashlib
import json
import stat
from dataclasses import replace
from pathlib import Path

from vl2.core.encoded import image_hash, image_suffix
from vl2.core.errors import ImageError
from vl2.core.sample import ImageSource, Sample, sample_to_dict
from vl2.corpus.checks import check_fields
from vl2.corpus.source import Source
from vl2.corpus.step import reject
from vl2.data.faults import fault_of
from vl2.data.records.row import MOST_IMAGES
from vl2.processor.images import DEFAULT_LIMITS

_CONTENT = ("messages", "objects", "answers")


def ingest(sample: Sample, source: Source) -> Sample:
    """Return the row with its images read, its origin written down and its id; rejected when an image is missing.

    Raises RowError on a row whose fields are not what they are called.
    """
    check_fields(sample)
    told = {"source": source.name, "source_id": sample.id, "licence": source.licence, "url": source.url, "parents": []}
    try:
        if len(sample.images) > MOST_IMAGES:
            raise ImageError("images", "too many images", got=len(sample.images), expected=MOST_IMAGES)
        images, problem = tuple(map(_read, sample.images)), None
        for image in images:
            image_suffix(image.data or b"")
    except ImageError as error:
        images, problem = (), fault_of(error).reason
    # what a row says of itself stands above what is said of its source
    provenance = {**told, **sample.provenance, "images": [image_hash(image) for image in images]}
    row = replace(sample, images=images, provenance=provenance)
    row = replace(row, id=content_id(row))
    return row if problem is None else reject(row, "ingest", problem)


def content_id(sample: Sample) -> str:
    """Return the hash of what a row says and shows: 32 hexadecimal digits."""
    record = sample_to_dict(sample)
    content = [[record[name] for name in _CONTENT], sample.provenance["images"]]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))  # ASCII: halves of surrogate pairs are escaped
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _read(image: ImageSource) -> ImageSource:
    if image.data is not None:
        return image
    path = Path(image.path or "")
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > DEFAULT_LIMITS.max_bytes:
            raise ImageError("image", "an image is no regular file, or too large")
        return replace(image, path=None, data=path.read_bytes())
    except (OSError, ValueError):
        raise ImageError("image", "an image cannot be read") from None
