"""Wordings: how the rows of a source stand as conversations before any pipeline words them anew."""

from __future__ import annotations

from collections.abc import Sequence

from vl2.core.sample import ImagePart, ImageSource, Message, Part, TextPart
from vl2.data.faults import RowError
from vl2.data.records.turns import to_messages

CAPTION = "Describe the picture."
CAPTION_ZH = "描述这张图片。"
READ = "Read the text in the picture."
FORMULA = "Write the formula in the picture as LaTeX."
TABLE = "Write the table in the picture as HTML."
PAGE = "Write the page in the picture as HTML."
PLOT = "Write Python code that draws this plot."


def asked(question: str, answer: str, num_images: int = 1) -> tuple[Message, ...]:
    """Return a question about some images, and its answer. Raises RowError when one of both says nothing."""
    return in_turns([(question, answer)], num_images)


def in_turns(pairs: Sequence[tuple[str, str]], num_images: int = 1) -> tuple[Message, ...]:
    """Return questions and answers; the images stand before the first. Raises RowError when one says nothing."""
    if not pairs or not all(question.strip() and answer.strip() for question, answer in pairs):
        raise RowError("a question or an answer that says nothing")
    messages: list[Message] = []
    for question, answer in pairs:
        opening: tuple[Part, ...] = (*[ImagePart()] * num_images, TextPart("\n")) if num_images and not messages else ()
        messages += [Message("user", (*opening, TextPart(question))), Message("assistant", (TextPart(answer),))]
    return tuple(messages)


def document(pieces: Sequence[str | ImageSource]) -> tuple[tuple[Message, ...], tuple[ImageSource, ...], str]:
    """Return a document of texts and images in their order: messages, images, and its text alone.

    What follows the last image is the answer, as only users show images; images that nothing follows are left out, for
    nothing is told after them. Raises RowError on a document without text.
    """
    kept = [piece for piece in pieces if not isinstance(piece, str) or piece.strip()]
    while kept and not isinstance(kept[-1], str):
        kept.pop()
    texts = [_trimmed(piece) for piece in kept if isinstance(piece, str)]
    if not texts:
        raise RowError("a document without text")
    images = tuple(piece for piece in kept if isinstance(piece, ImageSource))
    last = max((number for number, piece in enumerate(kept) if isinstance(piece, ImageSource)), default=-1)
    head, tail = kept[: last + 1], kept[last + 1 :]
    if not head:  # text alone: its first line asks for the others
        first, _, rest = "\n\n".join(texts).partition("\n")
        head, tail = ([first], [rest]) if rest.strip() else ([""], [first])
    answer = "\n\n".join(_trimmed(piece) for piece in tail if isinstance(piece, str))
    messages = (Message("user", _parts(head)), Message("assistant", (TextPart(answer),)))
    return to_messages(messages, len(images)), images, "\n\n".join(texts)


def _trimmed(piece: str) -> str:
    """Return a text without blank lines around it; the indent of its first line is kept, as code has one."""
    return piece.strip("\r\n").rstrip()


def _parts(pieces: Sequence[str | ImageSource]) -> tuple[Part, ...]:
    parts: list[Part] = []
    for piece in pieces:
        if isinstance(piece, ImageSource):
            parts.append(ImagePart())
        else:
            opening = "\n" if parts and isinstance(parts[-1], ImagePart) else ""
            parts.append(TextPart(f"{opening}{_trimmed(piece)}\n"))
    return tuple(parts)
