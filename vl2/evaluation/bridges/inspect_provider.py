"""The provider of inspect-ai. Importing this needs inspect-ai."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Any

from inspect_ai.model import ChatMessage, GenerateConfig, ModelAPI, ModelOutput
from inspect_ai.tool import ToolChoice, ToolInfo

from vl2.core.sample import TextPart
from vl2.evaluation.bridges.answering import answer_all, asking_of, open_answerer, sample_of

DEFAULT_TOKENS = 1024


class VL2API(ModelAPI):
    """Answer one conversation at a time, greedily."""

    def __init__(
        self, model_name: str, base_url: str | None = None, api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(), **model_args: Any,  # noqa: B008 - inspect-ai's own signature
    ) -> None:  # fmt: skip
        super().__init__(model_name, base_url, api_key, [], config)
        self.answerer = open_answerer(model_name, **model_args)
        self.lock = asyncio.Lock()

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        """Answer a conversation of texts and images."""
        del tools, tool_choice
        turns = [(message.role, _pieces(message.content)) for message in input]
        asking = asking_of({"max_new_tokens": config.max_tokens, "until": config.stop_seqs}, DEFAULT_TOKENS)
        sample = sample_of("conversation", turns)
        async with self.lock:
            replies = await asyncio.to_thread(
                lambda: list(answer_all(self.answerer, [("conversation", sample, asking)]))
            )
        if replies[0].error:
            raise RuntimeError(replies[0].error)
        reason = "max_tokens" if replies[0].finish_reason == "length" else "stop"
        return ModelOutput.from_content(self.model_name, replies[0].said.strip(), stop_reason=reason)


def _pieces(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [TextPart(content)]
    return [TextPart(part.text) if part.type == "text" else _picture(part.image) for part in content]


def _picture(address: str) -> str | bytes:
    """Return the bytes of a data URL, or a path."""
    head, comma, data = address.partition(",")
    if not (head.startswith("data:") and comma):
        return address
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        raise ValueError("vl2: an image that is not base64") from None
