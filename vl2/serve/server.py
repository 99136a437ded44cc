"""Server: a model, its engine, and everything that requests share."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from vl2.model import VL2Config
from vl2.processor import Processor
from vl2.serve.ask import Ask
from vl2.serve.chat import Completion
from vl2.serve.convert import addresses_of, read_chat
from vl2.serve.gate import Doorkeeper
from vl2.serve.images import ImageReader
from vl2.serve.problems import Problem
from vl2.serve.schema import ChatRequest
from vl2.serve.settings import ServeSettings
from vl2.serve.told import Answerer
from vl2.serve.verbs import ImageRequest, ask_of


@dataclass
class Server:
    """What answers, the model's processor and shape, and everything that requests share."""

    answering: Answerer
    processor: Processor
    config: VL2Config
    settings: ServeSettings
    model: str

    def __post_init__(self) -> None:
        self.metrics = self.answering.metrics
        self.doorkeeper = Doorkeeper()
        self.images = ImageReader(self.settings)
        self.started = int(time.time())

    @property
    def is_ready(self) -> bool:
        """Tell whether a new request would be answered."""
        return self.answering.is_running and not self.doorkeeper.is_draining

    def card(self) -> dict[str, Any]:
        """Return what there is to say of the model, in OpenAI's form."""
        length = self.config.language_config.max_position_embeddings
        entry = {"id": self.model, "object": "model", "created": self.started, "owned_by": "vl2"}
        return entry | {"max_model_len": length}

    def check_model(self, name: str | None) -> None:
        """Raise Problem for a model that is not this one; "default" is always this one."""
        if name not in (None, "", "default", self.model):
            raise Problem(
                404, f"model: {name[:100]!r} is not served here (expected {self.model!r}).", "model_not_found",
                param="model",
            )  # fmt: skip

    async def complete(self, body: ChatRequest) -> Completion:
        """Prepare a chat completion. Raises Problem and VL2Error."""
        self.check_model(body.model)
        images = await self.images.read(addresses_of(body.messages))
        ask = read_chat(body, images, self.settings)
        return await self.completion(ask)

    async def completion(self, ask: Ask) -> Completion:
        """Prepare an ask. Raises Problem and VL2Error."""
        return Completion(self.answering, ask, await self.answering.prepare(ask), self.model)

    async def verb(self, body: ImageRequest) -> tuple[str, Any, dict[str, Any]]:
        """Return the text of a verb's answer, its image and the usage."""
        self.check_model(body.model)
        (image,) = await self.images.read([body.address])
        found = await (await self.completion(ask_of(body, image, self.settings))).whole()
        return found["choices"][0]["message"]["content"], image, found["usage"]
