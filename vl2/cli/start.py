"""Load a model for a verb, after everything that can be refused without it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vl2.cli.options import RunOptions

if TYPE_CHECKING:
    from vl2.engine.assistant import Assistant


def start(run: RunOptions, images: Iterable[str] = ()) -> Assistant:
    """Check settings and the headers of images, then load the model."""
    from vl2.engine import assistant  # here: torch takes seconds, and --help needs none of it
    from vl2.engine.conversation import check_number
    from vl2.processor import image_size

    assistant.read_settings(run.sampling())
    images = list(images)
    check_number(images)
    for image in images:
        image_size(image)
    return assistant.load(run.model, device=run.device, dtype=run.dtype, max_tiles=run.max_tiles)
