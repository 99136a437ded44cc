"""Pictures told in text: the same questions for a language model that cannot see yet.

What the picture shows is written out where the image stood, so that the language model learns to look things up
before it has to look at pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, ImagePart, Message, Part, Sample, SceneObject, TextPart

SPACE_WIDTH = 0.2  # of the letter height


def transcribe(sample: Sample) -> Sample:
    """Return the sample without images; each image place holds the text of what is drawn there."""
    number = 0
    messages = []
    for message in sample.messages:
        parts: list[Part] = []
        for part in message.parts:
            if isinstance(part, ImagePart):
                parts += _told(sample, number)
                number += 1
            else:
                parts.append(part)
        messages.append(Message(message.role, tuple(parts)))
    return replace(sample, messages=tuple(messages), images=())


def _told(sample: Sample, image: int) -> list[Part]:
    objects = [item for item in sample.objects if item.image == image]
    size = (sample.images[image].width or 1, sample.images[image].height or 1)
    text = _lettering([item for item in objects if item.kind == "glyph"])
    parts: list[Part] = [TextPart(text + "\n")] if text else []
    for item in objects:
        if item.kind != "glyph":
            parts.append(BoxesPart(item.label, (Box.from_pixels(*item.box, width=size[0], height=size[1]),)))
    return parts


def _lettering(glyphs: Sequence[SceneObject]) -> str:
    """Return the glyphs as lines. Boxes hug the ink, so gaps are judged by the tallest letter of the line."""
    text, right, bottom, height = "", 0.0, 0.0, 0.0
    for glyph in glyphs:
        x1, y1, x2, y2 = glyph.box
        if text and (y1 > bottom or x2 < right - height):
            text, bottom, height = text + "\n", 0.0, 0.0
        elif text and x1 - right > SPACE_WIDTH * height:
            text += " "
        text += glyph.label
        right, bottom, height = x2, max(bottom, y2), max(height, y2 - y1)
    return text
