"""The wire of chat completions: what OpenAI's clients send, strictly, and what we add.

A field of OpenAI's that changes nothing here is taken and left alone; one that would change the answer and cannot is
refused by its value; an unknown one is refused by its name.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_STOP, MAX_STOP_LENGTH = 4, 256
MAX_TEXT = 1_000_000  # characters
MAX_MESSAGES = 1000
BoxUnit = Literal["pixels", "unit", "thousand"]
Nothing = None | Annotated[list[Any], Field(max_length=0)] | Annotated[dict[str, Any], Field(max_length=0)]


class Wire(BaseModel):
    """A strict object: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class TextPart(Wire):
    """A piece of text."""

    type: Literal["text"]
    text: Annotated[str, Field(max_length=MAX_TEXT)]


class ImageUrl(Wire):
    """Where an image is: a data URL, or an address that the server may fetch."""

    url: str
    detail: Literal["auto", "low", "high"] | None = None  # taken and left alone: use vl2.max_tiles


class Shown(Wire):
    """What shows an image."""

    image_url: ImageUrl | str

    @property
    def address(self) -> str:
        """Return where the image is."""
        return self.image_url if isinstance(self.image_url, str) else self.image_url.url


class ImagePart(Shown):
    """An image, in the place where the model sees it."""

    type: Literal["image_url"]


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class ChatMessage(Wire):
    """One turn. What clients send back of an answer (grounding, empty fields) is taken and left alone."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, Field(max_length=MAX_TEXT)] | list[Part] | None = None
    name: str | None = None
    refusal: None = None
    audio: None = None
    function_call: None = None
    tool_calls: Nothing = None
    annotations: Nothing = None
    grounding: Any = None


class StreamOptions(Wire):
    """What a stream says beside the text."""

    include_usage: bool = False
    include_obfuscation: bool | None = None  # taken and left alone


class JsonSchema(Wire):
    """A schema that the answer must fit."""

    name: str = "answer"
    description: str | None = None
    schema_: Annotated[dict[str, Any] | None, Field(validation_alias="schema", serialization_alias="schema")] = None
    strict: bool | None = None  # always


class ResponseFormat(Wire):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class OurOptions(Wire):
    """What we add, under the key `vl2`."""

    boxes: BoxUnit = "pixels"
    constrain_boxes: bool = True  # boxes that the answer opens are well formed
    max_tiles: Annotated[int | None, Field(ge=1)] = None
    image_tokens: Annotated[int | None, Field(ge=1)] = None
    kept_share: Annotated[float, Field(gt=0, le=1)] = 1.0


class Sampling(Wire):
    """What chat completions and our own verbs share."""

    model: str | None = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None  # 0 unless given
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    top_k: Annotated[int | None, Field(ge=0)] = None
    min_p: Annotated[float | None, Field(ge=0, le=1)] = None
    repetition_penalty: Annotated[float | None, Field(ge=0.01, le=100)] = None
    seed: Annotated[int | None, Field(ge=-(2**63), lt=2**63)] = None
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    user: str | None = None
    vl2: OurOptions = OurOptions()


class ChatRequest(Sampling):
    """The body of POST /v1/chat/completions."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: Annotated[int | None, Field(ge=1)] = None
    n: Annotated[int | None, Field(ge=1)] = None
    stop: str | Annotated[list[str], Field(max_length=MAX_STOP)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int | None, Field(ge=0, le=20)] = None
    response_format: ResponseFormat | None = None
    skip_special_tokens: Literal[False] | None = None  # vLLM's: the marks of boxes are never dropped
    # of these only the value that changes nothing is taken
    presence_penalty: Annotated[float | None, Field(ge=0, le=0)] = None
    frequency_penalty: Annotated[float | None, Field(ge=0, le=0)] = None
    logit_bias: Nothing = None
    tools: list[dict[str, Any]] | None = None  # refused unless the server is told to leave them alone
    functions: Nothing = None
    tool_choice: Literal["none", "auto"] | None = None
    function_call: Literal["none", "auto"] | None = None
    modalities: list[Literal["text"]] | None = None
    audio: None = None
    prediction: None = None
    web_search_options: None = None
    # these are taken and left alone
    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: str | None = None
    parallel_tool_calls: bool | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    safety_identifier: str | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
