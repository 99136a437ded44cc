"""What one message says: runs of text between the places of its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vl2.core.sample import BoxesPart, ImagePart, Message
from vl2.processor.grounding import render_boxes
from vl2.processor.marks import IMAGE, REF, REF_END
from vl2.processor.tokenizer import Tokenizer


@dataclass(frozen=True)
class Run:
    """Text without images; special strings in it act, unless it is `plain`."""

    text: str
    plain: bool = False


Content = list[Run | ImagePart]


def content_of(message: Message, *, trusted: bool) -> Content:
    """Return the runs and image places of a message, not stripped; `<image>` in trusted text is a place too."""
    content: Content = []
    for part in message.parts:
        if isinstance(part, ImagePart):
            content.append(part)
        elif isinstance(part, BoxesPart):  # the label comes from outside like any text; the marks are ours
            content += [Run(REF), *_text(part.label, trusted), Run(REF_END + render_boxes(part.boxes))]
        else:
            content += _text(part.text, trusted)
    return content


def strip(content: Content) -> Content:
    """Remove white space at both ends, and runs that hold nothing."""
    kept = [piece for piece in content if not isinstance(piece, Run) or piece.text]
    for end, cut in ((0, str.lstrip), (-1, str.rstrip)):
        while kept and isinstance(run := kept[end], Run):
            text = cut(run.text)
            if text:
                kept[end] = Run(text, run.plain)
                break
            kept.pop(end)
    return kept


def num_images(content: Content) -> int:
    """Return how many places of images there are."""
    return sum(isinstance(piece, ImagePart) for piece in content)


def encode_content(content: Content, tokenizer: Tokenizer, *, keep_marks: bool = False) -> list[list[int]]:
    """Return the ids of the texts before, between and after the images: one list more than images."""
    texts: list[list[Run]] = [[]]
    for piece in content:
        if isinstance(piece, Run):
            texts[-1].append(piece)
        else:
            texts.append([])
    return [_encode_runs(runs, tokenizer, keep_marks) for runs in texts]


def _encode_runs(runs: Sequence[Run], tokenizer: Tokenizer, keep_marks: bool) -> list[int]:
    """Encode adjoining runs as one text, with every special string cut that touches a plain run."""
    text = "".join(run.text for run in runs)
    plain: list[tuple[int, int]] = []
    start = 0
    for run in runs:
        if run.plain:
            plain.append((start, start + len(run.text)))
        start += len(run.text)
    if not plain:
        return tokenizer.encode(text)
    found = tokenizer.special_places(text, keep_marks=keep_marks)
    touching = (at for at, end in found if any(at < last and first < end for first, last in plain))
    return tokenizer.encode(text, [at + 1 for at in touching])


def _text(text: str, trusted: bool) -> Content:
    if not trusted:
        return [Run(text, plain=True)]
    first, *others = text.split(IMAGE)
    content: Content = [Run(first)]
    for other in others:
        content += [ImagePart(), Run(other)]
    return content
