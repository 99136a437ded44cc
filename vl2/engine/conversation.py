"""What users write as a conversation, read once into messages and images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vl2.core.errors import ConfigError, ConversationError, nearest
from vl2.core.sample import ROLES, BoxesPart, ImagePart, Message, Part, TextPart
from vl2.engine.encoded_image import EncodedImage
from vl2.engine.prompts import READ
from vl2.processor.budget import ImageBudget
from vl2.processor.images import ImageInput
from vl2.processor.marks import GROUNDING, REF

MAX_IMAGES = 32  # decoded pixels of one conversation: at the limit of 64 megapixels an image takes 192 MB

ImageLike = ImageInput | EncodedImage


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """Messages that end with the assistant's turn, begun or empty, and the images of their places in order."""

    messages: tuple[Message, ...]
    images: tuple[ImageLike, ...] = ()

    def __post_init__(self) -> None:
        check_number(self.images)


def check_number(images: Sequence[object]) -> None:
    """Raise ConversationError when there are too many images for one conversation."""
    if len(images) > MAX_IMAGES:
        raise ConversationError(
            "conversation", "too many images", got=len(images), expected=f"at most {MAX_IMAGES}",
            do="Ask about fewer at a time.",
        )  # fmt: skip


def check_text(thing: str, text: str) -> None:
    """Raise ConversationError when a question or phrase says nothing."""
    if not text.strip():
        raise ConversationError(thing, "is empty", do=f"Give a {thing}.")


def check_prunable(conversation: Conversation, budget: ImageBudget) -> None:
    """Raise ConfigError when visual tokens are to be pruned where every one counts: for reading and for boxes.

    What cannot be told from the marks and the prompt of the verb `read` is up to the caller.
    """
    if budget.kept_share == 1:
        return
    for part in (part for message in conversation.messages if message.role == "user" for part in message.parts):
        text = part.text if isinstance(part, TextPart) else ""
        if isinstance(part, BoxesPart) or REF in text or GROUNDING in text or text.strip() == READ:
            raise ConfigError(
                "kept_share", "is not for reading and boxes, which need every token", got=budget.kept_share,
                do="Leave it out here.",
            )  # fmt: skip


def asking(images: Iterable[ImageLike], *parts: Part) -> Conversation:
    """Return one question: each image on a line of its own, then the parts."""
    images = tuple(images)
    lines: list[Part] = []
    for _ in images:
        lines += [ImagePart(), TextPart("\n")]
    return Conversation(messages=(Message("user", (*lines, *parts)), Message("assistant", ())), images=images)


def read_conversation(turns: Sequence[Mapping[str, Any]]) -> Conversation:
    """Read turns {"role": .., "content": ..}.

    A content is a text or a list of {"type": "text", "text": ..} and {"type": "image", "image": ..}.
    Raises ConversationError on anything else.
    """
    messages: list[Message] = []
    images: list[ImageLike] = []
    for place, turn in enumerate(turns, start=1):
        thing = f"turn {place}"
        _check_keys(turn, ("role", "content"), thing)
        if turn["role"] not in ROLES:
            raise ConversationError(thing, "unknown role", got=repr(turn["role"]), expected=", ".join(ROLES))
        content = turn["content"]
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        if not isinstance(content, list | tuple):
            raise ConversationError(thing, "content is no text", got=type(content).__name__, expected="a str or a list")
        messages.append(Message(turn["role"], tuple(_read_part(part, images, thing) for part in content)))
    if messages and messages[-1].role != "assistant":
        messages.append(Message("assistant", ()))
    return Conversation(messages=tuple(messages), images=tuple(images))


def _read_part(part: Mapping[str, Any], images: list[ImageLike], thing: str) -> Part:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind not in ("text", "image"):
        raise ConversationError(thing, "unknown part", got=repr(part)[:80], expected="type text or image")
    _check_keys(part, ("type", kind), thing)
    if kind == "image":
        images.append(part["image"])
        return ImagePart()
    if not isinstance(part["text"], str):
        raise ConversationError(thing, "text is no str", got=type(part["text"]).__name__)
    return TextPart(part["text"])


def _check_keys(values: Mapping[str, Any], expected: Sequence[str], thing: str) -> None:
    if not isinstance(values, Mapping):
        raise ConversationError(thing, "not a mapping", got=type(values).__name__, expected=" and ".join(expected))
    for name in values:
        if name not in expected:
            raise ConversationError(
                thing, f"unknown key {name!r}", expected=" and ".join(expected), do=nearest(str(name), expected)
            )
    for name in expected:
        if name not in values:
            raise ConversationError(thing, f"has no {name!r}", expected=" and ".join(expected))
