"""Ask: one request to the model, whatever it was on the wire."""

from __future__ import annotations

from dataclasses import dataclass

from vl2.core.boxes import Box
from vl2.core.sample import ImageSource
from vl2.engine.conversation import Conversation
from vl2.engine.sampler import SamplingSettings
from vl2.processor.budget import WHOLE, ImageBudget
from vl2.serve.constraints import Bound
from vl2.serve.schema import BoxUnit


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A conversation whose images have come, and how to answer it."""

    conversation: Conversation  # its images are ImageSources with their sizes
    settings: SamplingSettings
    budget: ImageBudget = WHOLE
    num_answers: int = 1
    box_unit: BoxUnit = "pixels"
    bound: Bound = None

    @property
    def shown(self) -> tuple[int, ImageSource] | None:
        """Return the image that boxes are drawn on, with its place: the last one that was shown."""
        images = self.conversation.images
        last = images[-1] if images else None
        return (len(images) - 1, last) if isinstance(last, ImageSource) else None


def box_in(box: Box, unit: BoxUnit, image: ImageSource | None) -> list[float] | list[int]:
    """Return x1, y1, x2, y2 in a unit; in pixels only of an image whose size is known, else in thousandths."""
    if unit == "unit":
        return [round(value, 4) for value in box.unit()]
    if unit == "pixels" and image is not None and image.width and image.height:
        return list(box.pixels(image.width, image.height))
    return list(box.thousandths())
