"""Load a model for a verb, after everything that can be refused without it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vl2.cli.options import RunOptions

if TYPE_CHECKING:
    from vl2.core.sample import Part
    from vl2.engine.assistant import Assistant


def start(run: RunOptions, images: Iterable[str] = (), *, asked: Part | None = None) -> Assistant:
    """Check settings, the headers of images and whether what is asked may be pruned, then load the model."""
    from vl2.engine import assistant  # here: torch takes seconds, and --help needs none of it
    from vl2.engine.conversation import asking, check_number, check_prunable
    from vl2.processor import image_size

    budget = assistant.read_settings(run.settings())[1]
    images = list(images)
    check_number(images)
    if asked is not None:
        check_prunable(asking(images, asked), budget)
    for image in images:
        image_size(image)
    return assistant.load(
        run.model, device=run.device, dtype=run.dtype, max_tiles=run.max_tiles, max_context=run.max_context,
        rope_scaling=run.rope_scaling, num_draft_tokens=run.draft_tokens,
        cache_dtype=run.cache_dtype, adapter=run.adapter,
    )  # fmt: skip
