"""Conversations in the released string form: role names and `<image>` inside the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vl2.core.errors import ConversationError
from vl2.core.sample import ImagePart, Message, Part, Role, TextPart
from vl2.processor.marks import ASSISTANT, IMAGE, USER

ROLE_OF: dict[str, Role] = {
    USER: "user", "user": "user", ASSISTANT: "assistant", "assistant": "assistant", "system": "system",
}  # fmt: skip


def messages_from_text(turns: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """Return messages of turns {"role": .., "content": ..}; `<image>` in a content becomes an image place.

    Raises ConversationError on an unknown role or a content that is no text.
    """
    messages: list[Message] = []
    for place, turn in enumerate(turns, start=1):
        role, content = turn.get("role"), turn.get("content")
        if not isinstance(role, str) or role not in ROLE_OF:
            raise ConversationError(
                "conversation", f"turn {place} has an unknown role", got=repr(role), expected=", ".join(ROLE_OF)
            )
        if not isinstance(content, str):
            raise ConversationError("conversation", f"turn {place} has no text", got=repr(content)[:80])
        messages.append(Message(ROLE_OF[role], _parts(content)))
    return tuple(messages)


def display_form(turns: Sequence[Mapping[str, Any]], eos_text: str) -> str:
    """Return what the released code shows as `sft_format`; the model never reads it.

    Role names stay as given, and the separators alternate by place, so that a system message swaps them.
    """
    pieces: list[str] = []
    for place, turn in enumerate(turns):
        content = turn["content"].strip()
        separator = eos_text if place % 2 else "\n\n"
        pieces.append(f"{turn['role']}: {content}{separator}" if content else f"{turn['role']}:")
    return "".join(pieces).strip()


def _parts(content: str) -> tuple[Part, ...]:
    first, *others = content.split(IMAGE)
    parts: list[Part] = [TextPart(first)]
    for text in others:
        parts += [ImagePart(), TextPart(text)]
    return tuple(part for part in parts if part != TextPart(""))
