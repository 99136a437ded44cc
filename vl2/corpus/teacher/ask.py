"""Ask: one request to a teacher, what is asked of the model, and what it said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from vl2.core.encoded import image_hash
from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Which model answers and how. All of it decides what comes out, and is part of the key."""

    model: str
    temperature: float = 0.0
    max_tokens: int = 1024
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request: a prompt of that version, filled in, and the images it is about."""

    prompt: str
    version: int
    system: str
    text: str
    images: tuple[ImageSource, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What was said; `problem` when the request was refused for what it asks, and would be again."""

    text: str = ""
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    problem: str = ""


Done = Callable[[Ask, Reply], None]  # called for each request as soon as it is answered


class Backend(Protocol):
    """Whoever answers: a server behind a URL, a recording, or vLLM within Ray."""

    def replies(self, asks: Sequence[Ask], sampling: Sampling, done: Done) -> None:
        """Answer every request once and say so. Raises TeacherError when it cannot go on."""
        ...


class TeacherError(VL2Error):
    """A reason for which no more is asked: the run ends, and goes on later where it was."""


def key_of(ask: Ask, sampling: Sampling) -> str:
    """Return what tells this request from all others: 64 hexadecimal digits."""
    content = [asdict(sampling), ask.prompt, ask.version, ask.system, ask.text, list(map(image_hash, ask.images))]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
