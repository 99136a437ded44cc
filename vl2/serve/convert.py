"""From the wire to an Ask: roles to turns, parts to places, fields to settings."""

from __future__ import annotations

from typing import Any

from vl2.core.errors import ConversationError
from vl2.core.sample import ImageSource
from vl2.engine.conversation import Conversation, read_conversation
from vl2.engine.sampler import SamplingSettings
from vl2.processor.budget import ImageBudget
from vl2.processor.marks import DET, DET_END, REF
from vl2.serve.ask import Ask
from vl2.serve.constraints import Bound, Json, WholeBoxes
from vl2.serve.problems import Problem, unsupported
from vl2.serve.schema import MAX_STOP_LENGTH, ChatMessage, ChatRequest, ImagePart, ResponseFormat, Sampling
from vl2.serve.settings import ServeSettings

SEED_MASK = 2**63 - 1


def addresses_of(messages: list[ChatMessage]) -> list[str]:
    """Return the addresses of all images in order."""
    parts = [part for message in messages if isinstance(message.content, list) for part in message.content]
    return [part.address for part in parts if isinstance(part, ImagePart)]


def read_chat(body: ChatRequest, images: tuple[ImageSource, ...], settings: ServeSettings) -> Ask:
    """Return what a chat completion asks. Raises Problem and VL2Error."""
    num_answers = body.n or 1
    if num_answers > settings.max_copies:
        raise Problem(400, f"n: too many answers (expected at most {settings.max_copies}).", "invalid_value", param="n")
    if body.top_logprobs is not None and not body.logprobs:
        raise Problem(400, "top_logprobs: needs logprobs to be true.", "invalid_value", param="top_logprobs")
    if body.tools and not settings.ignore_tools:
        raise unsupported("tools")
    stop = [body.stop] if isinstance(body.stop, str) else body.stop or []
    if any(not 0 < len(text) <= MAX_STOP_LENGTH for text in stop):
        raise Problem(400, f"stop: expected 1 to {MAX_STOP_LENGTH} characters each.", "invalid_value", param="stop")
    sampling = sampling_of(
        body, settings, limit=body.max_completion_tokens or body.max_tokens, stop=tuple(stop),
        top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
    )  # fmt: skip
    return Ask(
        conversation=conversation_of(body.messages, images, images_first=settings.images_first), settings=sampling,
        budget=budget_of(body), num_answers=num_answers, box_unit=body.vl2.boxes,
        bound=bound_of(body.response_format, _begun(body.messages[-1]), constrain_boxes=body.vl2.constrain_boxes),
    )  # fmt: skip


def conversation_of(
    messages: list[ChatMessage], images: tuple[ImageSource, ...], *, images_first: bool = False
) -> Conversation:
    """Return the turns with their images in place, or before the texts of their turn. Raises ConversationError."""
    left = iter(images)
    return read_conversation([{"role": _role(m), "content": _content(m, left, images_first)} for m in messages])


def sampling_of(body: Sampling, settings: ServeSettings, *, limit: int | None, **more: Any) -> SamplingSettings:
    """Return how tokens are chosen; without a temperature the likeliest is taken. Raises Problem."""
    if limit is not None and limit > settings.max_new_tokens:
        raise Problem(
            400, f"max_tokens: too many (got {limit}, expected at most {settings.max_new_tokens}).", "invalid_value",
            param="max_tokens",
        )  # fmt: skip
    given = {
        "max_new_tokens": limit or settings.max_new_tokens, "temperature": body.temperature, "top_p": body.top_p,
        "top_k": body.top_k, "min_p": body.min_p, "repetition_penalty": body.repetition_penalty,
        "seed": None if body.seed is None else body.seed & SEED_MASK, **more,
    }  # fmt: skip
    return SamplingSettings(**{name: value for name, value in given.items() if value is not None})


def budget_of(body: Sampling) -> ImageBudget:
    """Return what the images may cost."""
    ours = body.vl2
    return ImageBudget(max_tiles=ours.max_tiles, image_tokens=ours.image_tokens, kept_share=ours.kept_share)


def bound_of(form: ResponseFormat | None, begun: str, *, constrain_boxes: bool) -> Bound:
    """Return what bounds an answer of which `begun` is there already. Raises Problem."""
    if form is None or form.type == "text":
        return WholeBoxes() if constrain_boxes and not _is_within_phrase(begun) else None
    if begun:
        raise Problem(
            400, "response_format: cannot complete an answer that was begun. Leave its beginning out.", "invalid_value",
            param="response_format",
        )  # fmt: skip
    if form.type == "json_object":
        return Json(None)
    if form.json_schema is None or form.json_schema.schema_ is None:
        raise Problem(400, "response_format: has no schema.", "invalid_value", param="response_format")
    return Json(form.json_schema.schema_)


def _begun(message: ChatMessage) -> str:
    """Return what an answer begins with, nothing when the last turn is a question."""
    if message.role != "assistant" or message.content is None:
        return ""
    parts = [message.content] if isinstance(message.content, str) else message.content
    return "".join(part if isinstance(part, str) else getattr(part, "text", "") for part in parts)


def _is_within_phrase(text: str) -> bool:
    """Tell whether a phrase or its boxes are open at the end: a constraint begins in free text and could not close."""
    behind = text.rpartition(DET_END)[2]
    return REF in behind or DET in behind


def _role(message: ChatMessage) -> str:
    return "system" if message.role == "developer" else message.role


def _content(message: ChatMessage, images: Any, images_first: bool) -> list[dict[str, Any]]:
    """Return parts in our words; each image stands on a line of its own, as the model was trained."""
    content = message.content
    if content is None:
        raise ConversationError(message.role, "has no content", do="Give a text.")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    parts: list[dict[str, Any]] = []
    if images_first:
        content = sorted(content, key=lambda part: not isinstance(part, ImagePart))
    for part in content:
        text = "" if isinstance(part, ImagePart) else part.text
        if parts and parts[-1]["type"] == "image" and not text[:1].isspace():
            parts.append({"type": "text", "text": "\n"})
        if isinstance(part, ImagePart):
            parts.append({"type": "image", "image": next(images)})
        else:
            parts.append({"type": "text", "text": text})
    return parts
