"""Forms: the ways in which rows write a conversation, each read into a Sample.

LLaVA and ShareGPT4V: `conversations` of `from` and `value`, `image`. ms-swift and OpenAI-like: `messages` of `role` and
`content`, `images`, `objects`; its older `query`, `response`, `history`. Ours: `messages` of `parts`. The Cauldron and
FineVision: `texts` of `user` and `assistant`. Image and text pairs: `caption`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from vl2.core.boxes import Box
from vl2.core.errors import VL2Error
from vl2.core.sample import (
    ROLES,
    BoxesPart,
    ImagePart,
    ImageSource,
    Message,
    Part,
    Sample,
    TextPart,
    sample_from_dict,
)  # fmt: skip
from vl2.data.faults import Fault, RowError, fault_of
from vl2.data.records.root import Root
from vl2.data.records.row import Row
from vl2.data.records.swift_boxes import swift_turn_reader
from vl2.data.records.turns import role_of, split_at_images, text_of, to_messages

CAPTION_QUESTION = "<image>\nDescribe the picture."
_OPTIONAL = {"images": (), "objects": (), "answers": (), "provenance": {}, "quality": {}, "decision": {}}
Record = Mapping[str, Any]


def to_sample(row: Row | Fault, name: str, root: Root) -> Sample | Fault:
    """Return what a row holds; `name` serves where it has no id of its own. Never raises on a row."""
    if isinstance(row, Fault):
        return row
    try:
        return _read(row, name, root)
    except VL2Error as error:
        return fault_of(error)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):  # a shape that no form has
        return Fault("a field is missing or of the wrong type")


def _read(row: Row, name: str, root: Root) -> Sample:
    record = row.record
    told = record["id"] if isinstance(record.get("id"), str | int) else name
    images = tuple(root.image(data) for data in row.images)
    if "messages" in record and any("parts" in message for message in record["messages"]):
        return _own(record, str(told), images, root)
    images = images or root.images(record.get("images")) or root.images(record.get("image"))
    form = next((name for name in FORMS if record.get(name)), None)
    if form is None:
        raise RowError("no conversation in it", got=", ".join(map(str, record))[:80], expected=" or ".join(FORMS))
    return Sample(str(told), to_messages(FORMS[form](record, images), len(images)), images=images)


def _own(record: Record, name: str, images: tuple[ImageSource, ...], root: Root) -> Sample:
    sample = sample_from_dict({**_OPTIONAL, **record, "id": name}, images or None)
    for message in sample.messages:
        if message.role not in ROLES:
            raise RowError("unknown role", got=repr(message.role)[:40], expected=", ".join(ROLES))
    messages = tuple(replace(one, parts=tuple(map(_checked, one.parts))) for one in sample.messages)
    for told in (*sample.answers, *(one.label for one in sample.objects)):
        text_of(told)
    if images:
        return replace(sample, messages=messages)
    return replace(sample, messages=messages, images=tuple(_placed(image, root) for image in sample.images))


def _checked(part: Part) -> Part:
    match part:
        case TextPart(text):
            text_of(text)
        case BoxesPart(label, boxes):
            text_of(label)
            return BoxesPart(label, tuple(map(_whole, boxes)))
        case ImagePart():
            pass
    return part


def _whole(box: Box) -> Box:
    """Return a box in whole thousandths; tables keep whole numbers as floats."""
    corners = box.thousandths()
    if not all(float(corner).is_integer() for corner in corners):
        raise RowError("a corner of a box is no whole number", got=corners, expected="thousandths, 0..999")
    return Box(*map(int, corners))


def _placed(image: ImageSource, root: Root) -> ImageSource:
    found = root.image(image.path)
    return replace(found, width=image.width, height=image.height)


def _conversations(record: Record, images: tuple[ImageSource, ...]) -> list[Message]:
    turns = [
        Message(role_of(turn["from"]), split_at_images(text_of(turn["value"]))) for turn in record["conversations"]
    ]
    return _with_system(record, turns)


def _messages(record: Record, images: tuple[ImageSource, ...]) -> list[Message]:
    read = swift_turn_reader(record.get("objects"), images)
    turns = [Message(role_of(turn["role"]), read(_joined(turn["content"]))) for turn in record["messages"]]
    return _with_system(record, turns)


def _query(record: Record, images: tuple[ImageSource, ...]) -> list[Message]:
    read = swift_turn_reader(record.get("objects"), images)
    turns: list[Message] = []
    for query, response in [*(record.get("history") or ()), (record["query"], record.get("response"))]:
        turns += [Message("user", read(text_of(query))), Message("assistant", read(text_of(response)))]
    return _with_system(record, turns)


def _texts(record: Record, images: tuple[ImageSource, ...]) -> list[Message]:
    turns: list[Message] = []
    for exchange in record["texts"]:
        for role in ("user", "assistant"):
            turns.append(Message(role, split_at_images(text_of(exchange[role]))))
    return turns


def _caption(record: Record, images: tuple[ImageSource, ...]) -> list[Message]:
    if len(images) != 1:
        raise RowError("a caption without its image", got=len(images), expected=1)
    answer = TextPart(text_of(record["caption"]))
    return [Message("user", split_at_images(CAPTION_QUESTION)), Message("assistant", (answer,))]


def _with_system(record: Record, turns: list[Message]) -> list[Message]:
    system = record.get("system")
    return [Message("system", (TextPart(text_of(system)),)), *turns] if system else turns


def _joined(content: Any) -> str:
    """Return a content as one text, also when it is a list of typed pieces, as OpenAI writes it."""
    if not isinstance(content, list):
        return text_of(content)
    pieces = []
    for piece in content:
        if piece["type"] not in ("text", "image"):
            raise RowError("unknown kind of content", got=repr(piece["type"])[:40], expected="text or image")
        pieces.append(text_of(piece["text"]) if piece["type"] == "text" else "<image>")
    return "".join(pieces)


FORMS: dict[str, Callable[[Record, tuple[ImageSource, ...]], list[Message]]] = {
    "conversations": _conversations,
    "messages": _messages,
    "query": _query,
    "texts": _texts,
    "caption": _caption,
}
