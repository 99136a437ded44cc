"""Our own engine in this process: requests come and go while the others go on, and the likeliest token is taken."""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vl2.core.errors import VL2Error
from vl2.engine.assistant import Assistant
from vl2.engine.conversation import Conversation
from vl2.engine.engine import STEP_TOKENS, Engine, EngineSettings
from vl2.engine.events import StreamEvent
from vl2.engine.request import Request
from vl2.engine.sampler import SamplingSettings
from vl2.engine.service import EngineService
from vl2.evaluation.answerers.answerer import Asking, Identity, Question, Reply, Setting

CONTEXTS = 4  # full contexts that all running requests together may hold
READY_SHARE = 2  # as many again as are running wait with their images cut, so that the engine never does
DECIDING_FILES = ("*.safetensors", "config.json", "processor_config.json", "tokenizer.json", "adapter_config.json")


@dataclass(eq=False)
class _Open:
    """A question that is being answered."""

    question: Question
    pieces: list[str] = field(default_factory=list)
    num_tokens: int = 0

    def reply(self, finish_reason: str = "", error: str = "") -> Reply:
        return Reply(
            question=self.question, said="".join(self.pieces), finish_reason=finish_reason, num_tokens=self.num_tokens,
            error=error,
        )  # fmt: skip


class EngineAnswerer:
    """Answer with a loaded model, many questions at once; each as it would be answered alone."""

    def __init__(
        self, assistant: Assistant, identity: Identity, *, max_running: int = 16, step_tokens: int = STEP_TOKENS
    ) -> None:
        """Take a model; `max_running` and `step_tokens` as in EngineSettings: they change no answer."""
        self.identity = identity
        self._model, self._processor = assistant.model, assistant.processor
        self._assistants: dict[int | None, Assistant] = {None: assistant}
        self._most = READY_SHARE * max_running
        config = assistant.model.config.language_config
        settings = EngineSettings(
            cache_tokens=CONTEXTS * config.max_position_embeddings, max_running=max_running, step_tokens=step_tokens,
            cache_dtype=assistant.cache_dtype, num_draft_tokens=assistant.num_draft_tokens,
        )  # fmt: skip
        self._service = EngineService(Engine(assistant.model, assistant.processor.tokenizer, settings))
        self._events: queue.SimpleQueue[tuple[_Open, StreamEvent | None]] = queue.SimpleQueue()

    def answer(self, questions: Iterable[Question]) -> Iterator[Reply]:
        """Yield each reply when it is complete."""
        num_open = 0
        for question in questions:
            failed = self._start(question)
            if failed is not None:
                yield failed
                continue
            num_open += 1
            while (reply := self._next(wait=num_open >= self._most)) is not None:
                yield reply
                num_open -= 1
        for _ in range(num_open):
            reply = self._next(wait=True)
            assert reply is not None
            yield reply

    def close(self) -> None:
        """End the engine."""
        self._service.close()

    def _start(self, question: Question) -> Reply | None:
        """Hand a question to the engine, or return why that cannot be."""
        opened = _Open(question)
        try:
            ticket = self._service.submit(self._request(question))
        except VL2Error as error:
            return opened.reply(error=str(error))
        self._service.start(ticket, lambda event: self._events.put((opened, event)))
        return None

    def _request(self, question: Question) -> Request:
        asking = question.asking
        conversation = Conversation(messages=question.sample.messages, images=question.sample.images)
        settings = SamplingSettings(max_new_tokens=asking.max_new_tokens, stop=asking.stop)
        return self._assistant(asking).request(conversation, settings)

    def _assistant(self, asking: Asking) -> Assistant:
        """Return the assistant that cuts images into at most so many tiles."""
        if asking.max_tiles not in self._assistants:
            assert asking.max_tiles is not None
            processor = self._processor.with_max_tiles(asking.max_tiles)
            self._assistants[asking.max_tiles] = Assistant(self._model, processor)
        return self._assistants[asking.max_tiles]

    def _next(self, *, wait: bool) -> Reply | None:
        """Return the next complete reply, None when there is none yet. Raises VL2Error when the engine has stopped."""
        while True:
            try:
                opened, event = self._events.get(block=wait)
            except queue.Empty:
                return None
            if event is None:
                raise VL2Error("engine", "stopped", do="Run again: what was answered is kept.")
            opened.pieces.append(event.text)
            opened.num_tokens += len(event.token_ids)
            if event.error is not None:
                return opened.reply(error=str(event.error) or type(event.error).__name__)
            if event.finish_reason is not None:
                return opened.reply(event.finish_reason)


def fingerprint_of(*folders: Path) -> str:
    """Return a hash of everything in checkpoint folders that answers depend on: weights, sizes, tiles, tokenizer."""
    total = hashlib.sha256()
    for folder in folders:
        for file in sorted({file for pattern in DECIDING_FILES for file in folder.glob(pattern)}):
            with file.open("rb") as stream:
                total.update(f"{file.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def identity_of(assistant: Assistant, model: str, *folders: Path, activated_parameters: int | None = None) -> Identity:
    """Return who an assistant is, loaded from a checkpoint's folder and, maybe, that of an adapter."""
    settings: dict[str, Setting] = {
        "dtype": str(assistant.model.tile_newline.dtype).removeprefix("torch."),
        "cache_dtype": assistant.cache_dtype,
    }
    return Identity(
        model=model, fingerprint=fingerprint_of(*folders), activated_parameters=activated_parameters, settings=settings
    )
