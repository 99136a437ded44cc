"""Forward: an ask as a chat completion for the server behind, and what that server cannot do is refused."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Literal

from vl2.core.sample import BoxesPart, ImagePart, ImageSource, Message, TextPart
from vl2.processor import Processor
from vl2.processor.budget import WHOLE
from vl2.processor.grounding import render
from vl2.processor.images import ImageLimits, open_image
from vl2.processor.marks import GROUNDING_MARKS
from vl2.processor.picture import encode_picture
from vl2.processor.tokenizer import Tokenizer
from vl2.serve.ask import Ask
from vl2.serve.box_lark import detection_grammar, whole_boxes_grammar
from vl2.serve.constraints import Detection, Json, WholeBoxes
from vl2.serve.problems import Problem

Kind = Literal["vl2", "vllm"]  # what stands behind; whatever is not ours is asked as vLLM is
UNSUPPORTED = "unsupported_upstream"
PNG, PNG_RGB = b"\x89PNG", 2  # how a PNG begins, and its colour type at byte 25


def body_of(ask: Ask, model: str, max_tokens: int, kind: Kind, processor: Processor) -> dict[str, Any]:
    """Return an ask as a chat completion: images as data URLs, marks kept in the answer. Raises VL2Error, Problem."""
    images = iter(ask.conversation.images)
    limits = processor.limits if kind == "vllm" else None
    messages = [_message(message, images, limits) for message in ask.conversation.messages if message.parts]
    if messages[-1] == {"role": "assistant", "content": ""}:
        messages.pop()
    body = _sampling(ask, max_tokens) | {"model": model, "messages": messages}
    if isinstance(ask.bound, Json):
        schema = {"name": "answer", "schema": ask.bound.schema}
        form = {"type": "json_object"} if ask.bound.schema is None else {"type": "json_schema", "json_schema": schema}
        body["response_format"] = form
    return body | (_ours(ask) if kind == "vl2" else _vllms(ask, messages, processor.tokenizer))


def _sampling(ask: Ask, max_tokens: int) -> dict[str, Any]:
    settings = ask.settings
    body: dict[str, Any] = {
        "n": ask.num_answers, "stream": True, "stream_options": {"include_usage": True}, "max_tokens": max_tokens,
        "temperature": settings.temperature, "top_p": settings.top_p, "stop": list(settings.stop),
        "skip_special_tokens": False,  # vLLM would drop the marks of boxes
    }  # fmt: skip
    if settings.top_logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": settings.top_logprobs}
    given = {"seed": settings.seed, "top_k": settings.top_k or None, "min_p": settings.min_p or None}
    penalty = settings.repetition_penalty
    given["repetition_penalty"] = None if penalty == 1 else penalty
    return body | {name: value for name, value in given.items() if value is not None}


def _ours(ask: Ask) -> dict[str, Any]:
    """Return the fields that only our own server reads."""
    budget = ask.budget
    named = {
        "constrain_boxes": isinstance(ask.bound, WholeBoxes | Detection), "max_tiles": budget.max_tiles,
        "image_tokens": budget.image_tokens, "kept_share": budget.kept_share,
    }  # fmt: skip
    return {"vl2": {name: value for name, value in named.items() if value is not None}}


def _vllms(ask: Ask, messages: list[dict[str, Any]], tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the fields that only vLLM reads. Raises Problem for what it would misread."""
    if ask.budget != WHOLE:
        reason = "the server behind cuts images by its own rule: leave out max_tiles, image_tokens and kept_share"
        raise _unsupported("vl2", reason)
    texts = [text for message in messages for text in _texts(message)]
    for text in texts:
        for start, stop in tokenizer.special_places(text, keep_marks=True):
            raise _unsupported("messages", f"{text[start:stop]!r} in a text would act as a mark in the server behind")
    fields: dict[str, Any] = {}
    if messages[-1]["role"] == "assistant":
        fields |= {"continue_final_message": True, "add_generation_prompt": False}
    # where nobody speaks of boxes the model opens none, and a grammar would only cost time
    if isinstance(ask.bound, Detection):
        fields["structured_outputs"] = {"grammar": detection_grammar(ask.bound.label)}
    elif isinstance(ask.bound, WholeBoxes) and any(mark in text for text in texts for mark in GROUNDING_MARKS):
        fields["structured_outputs"] = {"grammar": whole_boxes_grammar()}
    return fields


def _texts(message: dict[str, Any]) -> list[str]:
    """Return the texts of a message between its images: adjoining parts are one."""
    content = message["content"]
    if isinstance(content, str):
        return [content]
    texts = [""]
    for part in content:
        if part["type"] == "text":
            texts[-1] += part["text"]
        else:
            texts.append("")
    return texts


def _unsupported(param: str, reason: str) -> Problem:
    return Problem(400, f"{param}: {reason}.", UNSUPPORTED, param=param)


def _message(message: Message, images: Iterator[Any], limits: ImageLimits | None) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, ImagePart):
            parts.append({"type": "image_url", "image_url": {"url": _data_url(next(images), limits)}})
        elif isinstance(part, BoxesPart):
            parts.append({"type": "text", "text": render(part.label, part.boxes)})
        elif isinstance(part, TextPart):
            parts.append({"type": "text", "text": part.text})
    is_text = all(part["type"] == "text" for part in parts)
    content = "".join(part["text"] for part in parts).strip() if is_text else parts
    return {"role": message.role, "content": content}


def _data_url(image: ImageSource, limits: ImageLimits | None) -> str:
    """Return an image as it came, or with `limits` as pixels that any program reads alike."""
    data = image.data or b""
    if limits is not None and not _is_plain(data):
        data = encode_picture(open_image(data, limits=limits), ".png")
    return "data:application/octet-stream;base64," + base64.b64encode(data).decode()


def _is_plain(data: bytes) -> bool:
    """Tell whether these bytes are surely upright and without transparency; EXIF and CMYK are read in several ways."""
    if data.startswith(PNG):
        return data[25:26] == bytes([PNG_RGB]) and b"eXIf" not in data and b"tRNS" not in data
    return data.startswith(b"\xff\xd8") and b"Exif" not in data and b"Adobe" not in data
