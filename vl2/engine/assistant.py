"""Assistant: a loaded model and its verbs, ask, chat, detect, point, caption and read."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal, overload

import torch

from vl2.core.errors import ConfigError, WeightsError, nearest
from vl2.core.sample import BoxesPart, TextPart
from vl2.core.settings import build
from vl2.engine.answer import Answer, AnswerStream, generate
from vl2.engine.conversation import Conversation, ImageLike, asking, check_prunable, check_text, read_conversation
from vl2.engine.encoded_image import EncodedImage, pixels_of, size_of
from vl2.engine.engine import CacheDtype, Engine, EngineSettings, slot_dtype
from vl2.engine.features import FeatureCache
from vl2.engine.prompts import CAPTION, READ, CaptionLength
from vl2.engine.request import Request, room_for_answer
from vl2.engine.request_plan import RequestPlan, check_request, plan_request
from vl2.engine.sampler import SamplingSettings
from vl2.engine.service import EngineService
from vl2.engine.shared import SharedEngine
from vl2.engine.sight import Look, look_on
from vl2.engine.tiled_image import tiled_images
from vl2.model import VL2
from vl2.model.context import RopeScalingType
from vl2.processor.budget import WHOLE, ImageBudget
from vl2.processor.chat import ChatRules
from vl2.processor.processor import Processor
from vl2.weights import find_checkpoint, load_model
from vl2.weights.adapter import load_adapter, merge
from vl2.weights.pack import pack_model

Turns = Sequence[Mapping[str, Any]]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Assistant:
    """Answer questions about images. Every verb takes the fields of SamplingSettings and ImageBudget by name.

    An image is a path, encoded bytes, a PIL image, uint8 pixels [H, W, 3], or what `encode_image` returned. Texts may
    hold grounding marks; other special strings in them are ordinary characters. Bad input raises VL2Error.
    What a question needed (visual tokens, the cache of its prompt) is kept for the next ones, up to a bound. Any
    thread may ask.
    """

    def __init__(
        self, model: VL2, processor: Processor, *, num_draft_tokens: int = 0, cache_dtype: CacheDtype | None = None
    ) -> None:
        """Join a model and its processor; `num_draft_tokens` and `cache_dtype` as in EngineSettings."""
        vocabulary = model.config.language_config.vocab_size
        if len(processor.tokenizer) > vocabulary:
            raise WeightsError(
                "tokenizer", "has more tokens than the model", got=len(processor.tokenizer),
                expected=f"at most {vocabulary}", do="Use the tokenizer that belongs to the weights.",
            )  # fmt: skip
        self.model = model
        self.processor = processor
        self.num_draft_tokens = num_draft_tokens
        self.cache_dtype: CacheDtype | None = cache_dtype
        self.features = FeatureCache()
        # room for one full context: any request that the model can answer fits
        self._engine = SharedEngine(lambda: self._new_engine(model.config.language_config.max_position_embeddings))

    def ask(self, images: ImageLike | Iterable[ImageLike], question: str, **settings: Any) -> Answer:
        """Answer a question about one image or several."""
        return self.stream(images, question, **settings).answer()

    def stream(self, images: ImageLike | Iterable[ImageLike], question: str, **settings: Any) -> AnswerStream:
        """Answer a question piece by piece, as the text comes."""
        check_text("question", question)
        return self._stream(asking(_as_images(images), TextPart(question)), settings)

    def detect(self, image: ImageLike, phrase: str, **settings: Any) -> Answer:
        """Find what a phrase names; `.boxes` of the answer are in thousandths of the image (paper, section 3.2)."""
        check_text("phrase", phrase)
        return self._say(asking((image,), BoxesPart(phrase, ())), settings)

    def point(self, image: ImageLike, phrase: str, **settings: Any) -> Answer:
        """Find what a phrase names; `.points` of the answer are the middles of its boxes, in 0..1."""
        return self.detect(image, phrase, **settings)

    def caption(self, image: ImageLike, length: CaptionLength = "normal", **settings: Any) -> Answer:
        """Describe an image."""
        if length not in CAPTION:
            raise ConfigError("length", "unknown", got=repr(length), expected=", ".join(CAPTION))
        return self._say(asking((image,), TextPart(CAPTION[length])), settings)

    def read(self, image: ImageLike, **settings: Any) -> Answer:
        """Return the text in an image."""
        return self._say(asking((image,), TextPart(READ)), settings)

    @overload
    def chat(self, messages: Turns, *, stream: Literal[False] = ..., **settings: Any) -> Answer: ...
    @overload
    def chat(self, messages: Turns, *, stream: Literal[True], **settings: Any) -> AnswerStream: ...
    def chat(self, messages: Turns, *, stream: bool = False, **settings: Any) -> Answer | AnswerStream:
        """Answer the last turn of a conversation, see `read_conversation`; `stream` yields the text as it comes.

        An assistant turn at the end is continued.
        """
        pieces = self._stream(read_conversation(messages), settings)
        return pieces if stream else pieces.answer()

    def encode_image(self, image: ImageLike, **budget: Any) -> EncodedImage:
        """See an image once; every verb takes the result in its place. Takes the fields of ImageBudget by name."""
        encoded = EncodedImage.open(image)
        found = build(ImageBudget, budget, thing="budget")
        prompt = self.processor(asking((encoded,)).messages, [encoded.pixels], budget=found)
        look_on(self.model, self.features, [Look(tiled_images(prompt))])
        return encoded

    def request(
        self, conversation: Conversation, settings: SamplingSettings, budget: ImageBudget = WHOLE
    ) -> Request:
        """Turn a conversation into a request, its images cut but not encoded: the engine sees them.

        Raises VL2Error before any image is decoded when tokens or memory do not suffice.
        """
        measured, plan = self._measure(conversation, settings, budget)
        check_request(plan, device=self.model.tile_newline.device)
        tiles = self.processor.cut([pixels_of(image) for image in conversation.images], measured.prompt.grids)
        return replace(measured, prompt=replace(measured.prompt, tiles=tiles))

    def plan(self, messages: Turns, **settings: Any) -> RequestPlan:
        """Return the memory that `chat` would take beside the model; nothing is decoded or computed."""
        return self._measure(read_conversation(messages), *read_settings(settings))[1]

    def answers(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer a batch of requests side by side."""
        return generate(
            self.model, self.processor.tokenizer, requests, num_draft_tokens=self.num_draft_tokens,
            cache_dtype=self.cache_dtype,
        )  # fmt: skip

    def service(self, *, cache_tokens: int | None = None, max_running: int = 16) -> EngineService:
        """Open an engine that answers requests of any thread or event loop side by side; close it when done.

        `cache_tokens` bounds what all running requests together may hold; None gives room for four full contexts.
        """
        room = 4 * self.model.config.language_config.max_position_embeddings if cache_tokens is None else cache_tokens
        return EngineService(self._new_engine(room, max_running))

    def _say(self, conversation: Conversation, settings: Mapping[str, Any]) -> Answer:
        return self._stream(conversation, settings).answer()

    def _stream(self, conversation: Conversation, settings: Mapping[str, Any]) -> AnswerStream:
        started = time.perf_counter()
        request = self.request(conversation, *read_settings(settings))
        return AnswerStream(request, self._engine.stream(request), started=started)

    def _measure(
        self, conversation: Conversation, settings: SamplingSettings, budget: ImageBudget
    ) -> tuple[Request, RequestPlan]:
        """Return a request without tiles and its memory, from the sizes of its images alone."""
        check_prunable(conversation, budget)
        config = self.model.config
        sizes = [size_of(image) for image in conversation.images]
        rules = ChatRules(trusted=False, keep_marks=True)
        request = Request(
            prompt=self.processor.measure(conversation.messages, sizes, rules, budget=budget), settings=settings
        )
        room = room_for_answer(request, config.language_config.max_position_embeddings)
        plan = plan_request(
            config, request.prompt.grids, request.num_prompt_tokens + room, dtype=self.model.tile_newline.dtype,
            cache_dtype=slot_dtype(self.model, self.cache_dtype),
            largest_pixels=max((width * height for width, height in sizes), default=0),
        )  # fmt: skip
        return request, plan

    def _new_engine(self, cache_tokens: int, max_running: int = 16) -> Engine:
        settings = EngineSettings(
            cache_tokens=cache_tokens, max_running=max_running, num_draft_tokens=self.num_draft_tokens,
            cache_dtype=self.cache_dtype,
        )  # fmt: skip
        return Engine(self.model, self.processor.tokenizer, settings, self.features)


def load(
    model: str | Path = "pocket",
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    max_tiles: int | None = None,
    max_context: int | None = None,
    rope_scaling: RopeScalingType | None = None,
    num_draft_tokens: int = 0,
    cache_dtype: CacheDtype | None = None,
    adapter: str | Path | None = None,
) -> Assistant:
    """Load a checkpoint: "pocket" (part of this package), a folder, a size or the name of a hub repository.

    `device` None takes a CUDA device when there is one. `dtype` (float32, bfloat16, float16) None keeps the stored one.
    `max_tiles` bounds the local tiles of an image. `max_context` is the most tokens of prompt and answer; beyond what
    the model was trained for it needs `rope_scaling`, "yarn" or "linear". `num_draft_tokens` are guessed ahead from
    what prompt and answer say; the answer stays the same, and comes in fewer steps where it repeats. `cache_dtype`
    "int8" keeps what is remembered of a token in half the memory. `adapter` is a folder in PEFT's format, merged into
    the weights.
    """
    found_dtype, found_device = read_dtype(dtype), read_device(device)
    directory = find_checkpoint(model)
    processor = Processor.from_directory(directory)  # the light part first: it finds most mistakes
    if max_tiles is not None:
        processor = processor.with_max_tiles(max_tiles)
    loaded = load_model(
        directory, dtype=found_dtype, device=found_device, max_context=max_context, rope_scaling=rope_scaling
    )
    if adapter is not None:
        merge(loaded, load_adapter(adapter, loaded))
    return Assistant(pack_model(loaded), processor, num_draft_tokens=num_draft_tokens, cache_dtype=cache_dtype)


def read_settings(values: Mapping[str, Any]) -> tuple[SamplingSettings, ImageBudget]:
    """Build the settings of one request; `stop` may be one string.

    Raises ConfigError on an unknown name or a wrong value.
    """
    stop = values.get("stop", ())
    values = {**values, "stop": (stop,) if isinstance(stop, str) else stop}
    names = {cls: [field.name for field in fields(cls)] for cls in (SamplingSettings, ImageBudget)}
    valid = [name for own in names.values() for name in own]
    for name in values:
        if name not in valid:
            raise ConfigError(
                "settings", f"unknown field {name!r}", expected="one of " + ", ".join(valid), do=nearest(name, valid)
            )
    sampling, budget = ({name: values[name] for name in own if name in values} for own in names.values())
    return build(SamplingSettings, sampling, thing="settings"), build(ImageBudget, budget, thing="settings")


def read_dtype(dtype: str | torch.dtype | None) -> torch.dtype | None:
    """Return the type of this name. Raises ConfigError on an unknown one."""
    if dtype is None or isinstance(dtype, torch.dtype):
        return dtype
    if dtype not in DTYPES:
        raise ConfigError("dtype", "unknown", got=repr(dtype), expected=", ".join(DTYPES), do=nearest(dtype, DTYPES))
    return DTYPES[dtype]


def read_device(device: str | torch.device | None) -> torch.device:
    """Return the device of this name, the best one for None. Raises ConfigError when this machine has it not."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError):  # AssertionError: a build of torch without CUDA
        raise ConfigError("device", "not on this machine", got=device, do="Use cpu.") from None


def _as_images(images: ImageLike | Iterable[ImageLike]) -> tuple[ImageLike, ...]:
    if isinstance(images, list | tuple | Iterator):
        return tuple(images)
    return (images,)  # type: ignore[return-value]
