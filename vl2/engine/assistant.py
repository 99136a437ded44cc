"""Assistant: a loaded model and its verbs, ask, chat, detect, point, caption and read."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import torch

from vl2.core.errors import ConfigError, WeightsError, nearest
from vl2.core.sample import BoxesPart, TextPart
from vl2.core.settings import build
from vl2.engine.answer import Answer, AnswerStream, generate
from vl2.engine.conversation import Conversation, ImageLike, asking, check_text, read_conversation
from vl2.engine.encoded_image import EncodedImage, visual_embeds
from vl2.engine.engine import Engine, EngineSettings
from vl2.engine.generate import stream
from vl2.engine.prompts import CAPTION, READ, CaptionLength
from vl2.engine.request import Request, room_for_answer
from vl2.engine.sampler import SamplingSettings
from vl2.engine.service import EngineService
from vl2.model import VL2
from vl2.processor.processor import Processor
from vl2.weights import find_checkpoint, load_model

Turns = Sequence[Mapping[str, Any]]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Assistant:
    """Answer questions about images. Every verb takes the fields of SamplingSettings by name.

    An image is a path, encoded bytes, a PIL image, uint8 pixels [H, W, 3], or what `encode_image` returned. Texts may
    hold grounding marks; other special strings in them are ordinary characters. Bad input raises VL2Error.
    """

    def __init__(self, model: VL2, processor: Processor) -> None:
        """Join a model and its processor."""
        vocabulary = model.config.language_config.vocab_size
        if len(processor.tokenizer) > vocabulary:
            raise WeightsError(
                "tokenizer", "has more tokens than the model", got=len(processor.tokenizer),
                expected=f"at most {vocabulary}", do="Use the tokenizer that belongs to the weights.",
            )  # fmt: skip
        self.model = model
        self.processor = processor

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

    def encode_image(self, image: ImageLike) -> EncodedImage:
        """See an image once; every verb takes the result in its place."""
        encoded = EncodedImage.open(image, self.model)
        prompt = self.processor(asking((encoded,)).messages, [encoded.pixels])
        visual_embeds(self.model, prompt, [encoded])
        return encoded

    def request(self, conversation: Conversation, settings: SamplingSettings) -> Request:
        """Turn a conversation into a request, its images seen."""
        images = [EncodedImage.open(image, self.model) for image in conversation.images]
        pixels = [image.pixels for image in images]
        prompt = self.processor(conversation.messages, pixels, trusted=False, keep_marks=True)
        request = Request(prompt=prompt, settings=settings)
        # before the images are seen: that is the longest part
        room_for_answer(request, self.model.config.language_config.max_position_embeddings)
        return Request(prompt=prompt, settings=settings, visual_embeds=visual_embeds(self.model, prompt, images))

    def answers(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer a batch of requests side by side."""
        return generate(self.model, self.processor.tokenizer, requests)

    def service(self, *, cache_tokens: int | None = None, max_running: int = 16) -> EngineService:
        """Open an engine that answers requests of any thread or event loop side by side; close it when done.

        `cache_tokens` bounds what all running requests together may hold; None gives room for four full contexts.
        """
        room = 4 * self.model.config.language_config.max_position_embeddings if cache_tokens is None else cache_tokens
        settings = EngineSettings(cache_tokens=room, max_running=max_running)
        return EngineService(Engine(self.model, self.processor.tokenizer, settings))

    def _say(self, conversation: Conversation, settings: Mapping[str, Any]) -> Answer:
        return self._stream(conversation, settings).answer()

    def _stream(self, conversation: Conversation, settings: Mapping[str, Any]) -> AnswerStream:
        started = time.perf_counter()
        request = self.request(conversation, read_settings(settings))
        return AnswerStream(request, stream(self.model, self.processor.tokenizer, [request]), started=started)


def load(
    model: str | Path = "pocket",
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    max_tiles: int | None = None,
) -> Assistant:
    """Load a checkpoint: "pocket" (part of this package), a folder, a size or the name of a hub repository.

    `device` None takes a CUDA device when there is one. `dtype` (float32, bfloat16, float16) None keeps the stored one.
    `max_tiles` bounds the local tiles of an image.
    """
    found_dtype, found_device = read_dtype(dtype), read_device(device)
    directory = find_checkpoint(model)
    processor = Processor.from_directory(directory)  # the light part first: it finds most mistakes
    if max_tiles is not None:
        processor = processor.with_max_tiles(max_tiles)
    return Assistant(load_model(directory, dtype=found_dtype, device=found_device), processor)


def read_settings(values: Mapping[str, Any]) -> SamplingSettings:
    """Build SamplingSettings; `stop` may be one string. Raises ConfigError on an unknown name or a wrong value."""
    stop = values.get("stop", ())
    return build(SamplingSettings, {**values, "stop": (stop,) if isinstance(stop, str) else stop}, thing="settings")


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
    if isinstance(images, list | tuple):
        return tuple(images)
    return (images,)  # type: ignore[return-value]
