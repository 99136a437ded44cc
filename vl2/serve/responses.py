"""OpenAI's responses on the wire: the same answers as chat completions, in other clothes. Nothing is stored."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, Literal

from pydantic import Field

from vl2.serve.chat import Completion
from vl2.serve.problems import Problem
from vl2.serve.schema import (
    MAX_MESSAGES,
    MAX_TEXT,
    ChatMessage,
    ChatRequest,
    ImagePart,
    JsonSchema,
    Nothing,
    Part,
    ResponseFormat,
    Sampling,
    TextPart,
    Wire,
)  # fmt: skip


class InputText(Wire):
    """A piece of text, of a question or of an earlier answer."""

    type: Literal["input_text", "output_text"]
    text: Annotated[str, Field(max_length=MAX_TEXT)]
    annotations: Nothing = None
    logprobs: Any = None
    grounding: Any = None


class InputImage(Wire):
    """An image."""

    type: Literal["input_image"]
    image_url: str
    detail: Literal["auto", "low", "high"] | None = None


class InputMessage(Wire):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, Field(max_length=MAX_TEXT)] | list[
        Annotated[InputText | InputImage, Field(discriminator="type")]
    ]
    type: Literal["message"] | None = None
    id: str | None = None
    status: str | None = None


class TextFormat(Wire):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    name: str = "answer"
    description: str | None = None
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class TextOptions(Wire):
    """How the text is written."""

    format: TextFormat | None = None
    verbosity: str | None = None


class ResponsesRequest(Sampling):
    """The body of POST /v1/responses."""

    input: Annotated[str, Field(max_length=MAX_TEXT)] | Annotated[
        list[InputMessage], Field(max_length=MAX_MESSAGES - 1)  # the instructions are one more
    ]
    instructions: Annotated[str, Field(max_length=MAX_TEXT)] | None = None
    max_output_tokens: Annotated[int | None, Field(ge=1)] = None
    stream: bool | None = None
    text: TextOptions | None = None
    store: bool | None = None  # taken and left alone, as what follows
    metadata: dict[str, str] | None = None
    parallel_tool_calls: bool | None = None
    truncation: Literal["disabled"] | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    include: Nothing = None
    tools: Nothing = None
    tool_choice: Literal["none", "auto"] | None = None
    previous_response_id: None = None
    background: Literal[False] | None = None

    def chat(self) -> ChatRequest:
        """Return the same as a chat completion."""
        turns = [InputMessage(role="user", content=self.input)] if isinstance(self.input, str) else self.input
        messages = [ChatMessage(role=turn.role, content=_content(turn)) for turn in turns]
        if self.instructions:
            messages.insert(0, ChatMessage(role="system", content=self.instructions))
        shared = {name: getattr(self, name) for name in Sampling.model_fields}
        if not messages:
            raise Problem(400, "input: is empty.", "invalid_value", param="input")
        form = self.text.format if self.text else None
        return ChatRequest(
            **shared, messages=messages, max_completion_tokens=self.max_output_tokens, response_format=_format(form)
        )


class Response:
    """One request of responses: `stream` or `whole`, once."""

    def __init__(self, completion: Completion, body: ResponsesRequest) -> None:
        self.completion, self.body = completion, body
        self.id, self.item_id = f"resp_{uuid.uuid4().hex}", f"msg_{uuid.uuid4().hex}"
        self.created = time.time()
        self._number = -1  # of the last event

    async def whole(self) -> dict[str, Any]:
        """Return the body of the answer. Raises Problem."""
        found = await self.completion.whole()
        choice = found["choices"][0]
        return self._response(choice["finish_reason"], [self._item(choice)])

    async def stream(self) -> AsyncIterator[dict[str, str]]:
        """Yield the events: name and data."""
        place = {"item_id": self.item_id, "output_index": 0, "content_index": 0}
        empty = {"type": "output_text", "text": "", "annotations": []}
        begun = {"id": self.item_id, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        for name in ("created", "in_progress"):
            yield self._event(f"response.{name}", response=self._response(None, []))
        yield self._event("response.output_item.added", output_index=0, item=begun)
        yield self._event("response.content_part.added", **place, part=empty)
        try:
            async with aclosing(self.completion.deltas()) as deltas:  # type: ignore[type-var]
                async for _, delta, _, _ in deltas:
                    if delta:
                        grounding = {"grounding": delta["grounding"]} if "grounding" in delta else {}
                        text = delta.get("content", "")
                        yield self._event("response.output_text.delta", **place, delta=text, logprobs=[], **grounding)
        except Problem as problem:
            self.completion.answering.metrics.errors.labels(problem.code).inc()
            error = problem.body()["error"]
            yield self._event("error", code=error["code"], message=error["message"], param=error["param"])
            return
        choice = self.completion.choice(0)
        item = self._item(choice)
        yield self._event("response.output_text.done", **place, text=choice["message"]["content"], logprobs=[])
        yield self._event("response.content_part.done", **place, part=item["content"][0])
        yield self._event("response.output_item.done", output_index=0, item=item)
        response = self._response(choice["finish_reason"], [item])
        yield self._event(f"response.{response['status']}", response=response)

    def _event(self, name: str, **values: Any) -> dict[str, str]:
        self._number += 1
        data = {"type": name, "sequence_number": self._number, **values}
        return {"event": name, "data": json.dumps(data, ensure_ascii=False)}

    def _item(self, choice: dict[str, Any]) -> dict[str, Any]:
        message, status = choice["message"], _status(choice["finish_reason"])
        part = {"type": "output_text", "text": message["content"], "annotations": [], "grounding": message["grounding"]}
        return {"id": self.item_id, "type": "message", "role": "assistant", "status": status, "content": [part]}

    def _told_format(self) -> dict[str, Any]:
        form = self.body.text.format if self.body.text else None
        return {"type": "text"} if form is None else form.model_dump(by_alias=True, exclude_unset=True)

    def _response(self, reason: str | None, output: list[dict[str, Any]]) -> dict[str, Any]:
        status = _status(reason)
        usage = self.completion.usage()
        details = usage["prompt_tokens_details"]
        return {
            "id": self.id, "object": "response", "created_at": self.created, "status": status, "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "instructions": self.body.instructions, "model": self.completion.head["model"], "output": output,
            "parallel_tool_calls": False, "tool_choice": "none", "tools": [], "metadata": self.body.metadata or {},
            "temperature": self.completion.ask.settings.temperature, "top_p": self.completion.ask.settings.top_p,
            "max_output_tokens": self.body.max_output_tokens, "previous_response_id": None, "store": False,
            "text": {"format": self._told_format()}, "truncation": "disabled",
            "usage": None if status == "in_progress" else {
                "input_tokens": usage["prompt_tokens"], "input_tokens_details": details,
                "output_tokens": usage["completion_tokens"], "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": usage["total_tokens"],
            },
        }  # fmt: skip


def _status(reason: str | None) -> str:
    return {None: "in_progress", "length": "incomplete"}.get(reason, "completed")


def _content(turn: InputMessage) -> str | list[Part]:
    if isinstance(turn.content, str):
        return turn.content
    return [
        TextPart(type="text", text=part.text) if isinstance(part, InputText)
        else ImagePart(type="image_url", image_url=part.image_url)
        for part in turn.content
    ]  # fmt: skip


def _format(form: TextFormat | None) -> ResponseFormat | None:
    if form is None:
        return None
    if form.type != "json_schema":
        return ResponseFormat(type=form.type)
    schema = JsonSchema.model_validate({"name": form.name, "schema": form.schema_})
    return ResponseFormat(type="json_schema", json_schema=schema)
