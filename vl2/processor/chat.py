"""The official chat format: messages to token ids, labels and image places.

A user turn is one text, `<|User|>: question`, two newlines and `<|Assistant|>:`, split at its images. The answer is
encoded on its own and ended by eos. A system message stands bare after bos.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from vl2.core.batch import IGNORE_INDEX
from vl2.core.errors import ConversationError
from vl2.core.sample import ROLES, Message, TextPart
from vl2.processor.content import Content, Run, content_of, encode_content, num_images, strip
from vl2.processor.marks import ASSISTANT, IMAGE, USER
from vl2.processor.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class ChatRules:
    """How a conversation is read and labelled; the defaults are those of the released code."""

    mask_prompt: bool = False  # True in the paper's fine-tuning (section 4.1): only answers are learned
    trusted: bool = True  # special strings in texts act; False: they are ordinary characters
    keep_marks: bool = False  # in untrusted texts too, let the grounding marks act: they open and end no turn
    allow_empty: bool = False  # accept a question without text and image


@dataclass(frozen=True, kw_only=True)
class TokenRow:
    """One sample as tokens; the three lists have the same length."""

    input_ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    image_mask: list[bool] = field(default_factory=list)

    def add_text(self, ids: Sequence[int], *, labelled: bool) -> None:
        """Append text tokens; the loss is taken where `labelled`."""
        self.input_ids.extend(ids)
        self.labels.extend(ids if labelled else [IGNORE_INDEX] * len(ids))
        self.image_mask.extend([False] * len(ids))

    def add_image(self, image_id: int, length: int) -> None:
        """Append the places of one image's visual tokens; no loss is taken there."""
        self.input_ids.extend([image_id] * length)
        self.labels.extend([IGNORE_INDEX] * length)
        self.image_mask.extend([True] * length)


def count_images(messages: Sequence[Message], rules: ChatRules) -> int:
    """Return the image places. Raises ConversationError when the format cannot express the conversation."""
    return sum(num_images(content) for content in _read(messages, rules))


def encode_chat(
    messages: Sequence[Message],
    image_lengths: Sequence[int],
    tokenizer: Tokenizer,
    rules: ChatRules,
    *,
    for_training: bool = False,
) -> TokenRow:
    """Return the tokens of a conversation; `image_lengths` are the visual tokens of its images in order.

    Unless `for_training` the last eos is left out, so that an empty last answer asks the model for one.
    Raises ConversationError when the format cannot express the conversation.
    """
    contents = _read(messages, rules)
    check_images(sum(map(num_images, contents)), len(image_lengths))
    if for_training and not contents[-1]:
        raise ConversationError("conversation", "the last answer is empty", do="Train on an answer.")
    row = TokenRow()
    row.add_text([tokenizer.bos_id], labelled=True)  # as released, even under mask_prompt
    lengths = iter(image_lengths)
    for place, (message, content) in enumerate(zip(messages, contents, strict=True), start=1):
        if message.role == "user":
            content = [Run(f"{USER}:"), Run(" "), *content, Run("\n\n")] if content else [Run(f"{USER}:")]
            _add(row, [*content, Run(f"{ASSISTANT}:")], lengths, tokenizer, rules, labelled=not rules.mask_prompt)
            continue
        is_answer = message.role == "assistant"
        _add(row, content, lengths, tokenizer, rules, labelled=is_answer or not rules.mask_prompt)
        if is_answer and (for_training or place < len(messages)):
            row.add_text([tokenizer.eos_id], labelled=True)
    return row


def encode_prompt(prompt: str, image_lengths: Sequence[int], tokenizer: Tokenizer) -> TokenRow:
    """Return bos and the tokens of a text that is formatted already; `<image>` marks its images."""
    content = content_of(Message("user", (TextPart(prompt),)), trusted=True)
    check_images(num_images(content), len(image_lengths))
    row = TokenRow()
    row.add_text([tokenizer.bos_id], labelled=True)
    _add(row, content, iter(image_lengths), tokenizer, ChatRules(), labelled=True)
    return row


def check_images(places: int, images: int) -> None:
    """Raise ConversationError unless there is one image for each place."""
    if places != images:
        raise ConversationError(
            "conversation", "images do not match their places", got=f"{images} images", expected=f"{places} images",
            do=f"Give one image for each {IMAGE}.",
        )  # fmt: skip


def _add(
    row: TokenRow, content: Content, lengths: Iterator[int], tokenizer: Tokenizer, rules: ChatRules, *, labelled: bool
) -> None:
    first, *others = encode_content(content, tokenizer, keep_marks=rules.keep_marks)
    row.add_text(first, labelled=labelled)
    for ids in others:
        row.add_image(tokenizer.image_id, next(lengths))
        row.add_text(ids, labelled=labelled)


def _read(messages: Sequence[Message], rules: ChatRules) -> list[Content]:
    """Return the stripped content of each message after checking the order of the turns."""
    expected: tuple[str, ...] = ("system", "user")
    contents: list[Content] = []
    for place, message in enumerate(messages, start=1):
        if message.role not in ROLES:
            raise ConversationError("conversation", "unknown role", got=repr(message.role), expected=", ".join(ROLES))
        if message.role not in expected:
            raise ConversationError(
                "conversation", f"turn {place} is out of order", got=message.role, expected=" or ".join(expected),
                do="Let user and assistant take turns, after at most one system message.",
            )  # fmt: skip
        expected = ("assistant",) if message.role == "user" else ("user",)
        contents.append(_check_content(place, message, strip(content_of(message, trusted=rules.trusted)), rules))
    if not messages or messages[-1].role != "assistant":
        raise ConversationError(
            "conversation", "does not end with an assistant message", do="Add one; an empty one asks for an answer."
        )
    return contents


def _check_content(place: int, message: Message, content: Content, rules: ChatRules) -> Content:
    if message.role == "user" and not content and not rules.allow_empty:
        raise ConversationError("conversation", f"turn {place} is an empty question", do="Give it a text or an image.")
    if message.role != "user" and num_images(content):
        raise ConversationError(
            "conversation", f"turn {place} has an image", got=f"role {message.role}", expected="images of the user only"
        )
    return content
