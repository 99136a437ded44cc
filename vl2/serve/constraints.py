"""Constraints: what an answer may be, as a request says it, and as the sampler asks it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vl2.engine.box_constraint import constrain_boxes, constrain_detection
from vl2.engine.box_vocabulary import BoxVocabulary
from vl2.engine.json_constraint import ANY_OBJECT, JsonVocabulary, constrain_json
from vl2.engine.sampler import Constraint
from vl2.processor.tokenizer import Tokenizer


@dataclass(frozen=True)
class WholeBoxes:
    """Free text in which boxes are well formed."""


@dataclass(frozen=True)
class Detection:
    """The boxes of one phrase, or words that say it is not there."""

    label: str


@dataclass(frozen=True)
class Json:
    """JSON of a schema; None is any object."""

    schema: dict[str, Any] | None


Bound = WholeBoxes | Detection | Json | None


class Constraints:
    """Make constraints of one model; what they share is made once."""

    def __init__(self, tokenizer: Tokenizer, vocab_size: int) -> None:
        self._tokenizer, self._vocab_size = tokenizer, vocab_size
        self._lock = threading.Lock()

    def make(self, bound: Bound) -> Constraint | None:
        """Return the constraint of one answer. Raises ConfigError for a phrase or schema that cannot be."""
        match bound:
            case WholeBoxes():
                return constrain_boxes(self._shared("_boxes"), needs_label=False)
            case Detection(label):
                return constrain_detection(self._shared("_boxes"), label, may_refuse=True)
            case Json(schema):
                return constrain_json(self._shared("_json"), ANY_OBJECT if schema is None else schema)
        return None

    def _shared(self, name: str) -> Any:
        with self._lock:
            return getattr(self, name)

    @cached_property
    def _boxes(self) -> BoxVocabulary:
        return BoxVocabulary(self._tokenizer, self._vocab_size)

    @cached_property
    def _json(self) -> JsonVocabulary:
        return JsonVocabulary(self._tokenizer, self._vocab_size)
