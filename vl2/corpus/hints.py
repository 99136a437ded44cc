"""Hints: what a row knows beside its conversation, in `provenance`: its own caption, what OCR read, where it was taken.

`caption`: a text. `ocr`: a list of texts. `metadata`: a mapping of names to values. `document`: a text.
"""

from __future__ import annotations

from vl2.core.sample import Message, Sample, TextPart
from vl2.corpus.step import text_of

MOST_LINES, MOST_ENTRIES = 200, 24


def caption_of(sample: Sample) -> str:
    """Return what the source says of the image: its caption, or else its first answer."""
    told = sample.provenance.get("caption")
    if isinstance(told, str):
        return told.strip()
    answers = [turn for turn in sample.messages if turn.role == "assistant"]
    return text_of(Sample(sample.id, (answers[0],))) if answers else ""


def ocr_of(sample: Sample) -> list[str]:
    """Return the lines that an OCR engine read, none where none did."""
    told = sample.provenance.get("ocr")
    return [line for line in map(str, told) if line.strip()][:MOST_LINES] if isinstance(told, list) else []


def metadata_of(sample: Sample) -> dict[str, str]:
    """Return what is known of where and how a picture was taken, and of its page."""
    told = sample.provenance.get("metadata")
    if not isinstance(told, dict):
        return {}
    pairs = [(str(name), str(value)) for name, value in told.items() if isinstance(value, str | int | float)]
    return dict(pairs[:MOST_ENTRIES])


def document_of(sample: Sample) -> str:
    """Return the text of the document that a row is about: its own, or what OCR read."""
    told = sample.provenance.get("document")
    return told.strip() if isinstance(told, str) else "\n".join(ocr_of(sample))


def questions_of(sample: Sample) -> list[tuple[Message, Message]]:
    """Return the turns of a conversation: each question with its answer."""
    said = [turn for turn in sample.messages if turn.role != "system"]
    return [
        (one, two) for one, two in zip(said, said[1:], strict=False) if (one.role, two.role) == ("user", "assistant")
    ]


def question_text(question: Message) -> str:
    """Return the words of a question."""
    return "".join(part.text for part in question.parts if isinstance(part, TextPart)).strip()
