"""A constraint under which an answer is JSON of a schema: llguidance knows the grammar, in bounded time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from vl2.core.errors import ConfigError, VL2Error
from vl2.engine.json_schema import ANY_OBJECT, checked_schema
from vl2.processor.tokenizer import Tokenizer

if TYPE_CHECKING:
    import llguidance

# slices instead of one deadline: where the whole process stood still, that costs one of them
COMPILE_SLICES, SLICE_S = 50, 0.1
# white space is bounded, or a model may write it to the end of its room
_OPTIONS = {"whitespace_pattern": r"[ \t\r\n]{0,16}", "lenient": False, "coerce_one_of": False}
_LIMITS = {
    "initial_lexer_fuel": 200_000, "step_lexer_fuel": 100_000, "step_max_items": 50_000,
    "max_lexer_states": 50_000, "max_grammar_size": 100_000, "verbose_errors": False,
}  # fmt: skip


class JsonVocabulary:
    """The tokens of one tokenizer as llguidance sees them. Reading them takes a while: make it once, share it."""

    def __init__(self, tokenizer: Tokenizer, vocab_size: int) -> None:
        """Take the size of the model's vocabulary; ids that the tokenizer does not know are never allowed.

        Raises VL2Error when llguidance is not installed.
        """
        if len(tokenizer) > vocab_size:
            raise ConfigError("vocab_size", "smaller than the tokenizer", got=vocab_size, expected=len(tokenizer))
        self.library = _library()
        self.vocab_size, self.eos_id = vocab_size, tokenizer.eos_id
        text = tokenizer.backend.to_str()
        self._tokens = self.library.LLTokenizer(text, n_vocab=vocab_size, eos_token=tokenizer.eos_id)
        self._one_at_a_time = threading.Lock()  # schemas that nobody waits for any longer must not pile up

    def matcher(self, schema: str) -> llguidance.LLMatcher:
        """Compile a schema. Raises ConfigError when it is wrong, impossible, or too much work."""
        found: list[llguidance.LLMatcher | str] = []
        is_given_up = threading.Event()

        def work() -> None:
            with self._one_at_a_time:
                if not is_given_up.is_set():
                    found.append(self._compile(schema))

        # a thread of its own: the library cannot be interrupted, but it lets others run meanwhile
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        for _ in range(COMPILE_SLICES):
            thread.join(SLICE_S)
            if not thread.is_alive():
                break
        is_given_up.set()
        if not found:
            raise ConfigError("schema", "takes too long to compile", do="Give a simpler one.")
        if isinstance(found[0], str):
            raise ConfigError("schema", found[0])
        return found[0]

    def mask(self, bits: bytes) -> Tensor:
        """Return a mask [V] of a bit for each token."""
        found = np.unpackbits(np.frombuffer(bits, np.uint8), count=self.vocab_size, bitorder="little")
        return torch.from_numpy(found).bool()  # [V]

    def _compile(self, schema: str) -> llguidance.LLMatcher | str:
        """Return a matcher, or what is wrong with the schema."""
        try:
            grammar = self.library.LLMatcher.grammar_from_json_schema(schema, overrides=_OPTIONS)
            limits = self.library.LLParserLimits(**_LIMITS)
            matcher = self.library.LLMatcher(self._tokens, grammar, log_level=0, limits=limits)
            if not matcher.is_error():
                matcher.compute_bitmask()  # here it turns out that nothing fulfils a schema
                return "no answer fulfils it" if matcher.is_error() else matcher
            return _in_a_line(matcher.get_error())
        except BaseException as error:  # noqa: BLE001 - the library panics past Exception, and this thread ends anyway
            return _in_a_line(str(error)) or type(error).__name__


class JsonConstraint:
    """A Constraint of one answer: JSON and nothing around it."""

    def __init__(self, vocabulary: JsonVocabulary, matcher: llguidance.LLMatcher) -> None:
        self._vocabulary, self._matcher = vocabulary, matcher

    def allowed(self) -> Tensor:
        """Return which tokens may come next [V] bool. Raises VL2Error when the library has given up."""
        bits = self._matcher.compute_bitmask()
        self._check()
        return self._vocabulary.mask(bits)

    def accept(self, token_id: int) -> None:
        """Take the token that was chosen. Raises VL2Error when it may not come, or when the library has given up."""
        self._check()
        is_right = (
            token_id == self._vocabulary.eos_id if self._matcher.is_stopped()
            else self._matcher.validate_tokens([token_id]) == 1
        )  # fmt: skip
        self._check()
        if not is_right:
            raise VL2Error("constraint", "this token may not come here", got=token_id)
        self._matcher.consume_token(token_id)

    def _check(self) -> None:
        if self._matcher.is_error():
            problem = _in_a_line(self._matcher.get_error())
            raise VL2Error("schema", "too much work for this answer", got=problem, do="Give a simpler one.")


def constrain_json(vocabulary: JsonVocabulary, schema: Mapping[str, Any] = ANY_OBJECT) -> JsonConstraint:
    """Let the answer be JSON of this schema. Raises ConfigError that says what is wrong with a schema."""
    return JsonConstraint(vocabulary, vocabulary.matcher(checked_schema(schema)))


def _in_a_line(problem: str) -> str:
    return " ".join(problem.replace("<non-verbose/>", "").split())[:200]


def _library() -> Any:
    try:
        import llguidance
    except ImportError:
        raise VL2Error("llguidance", "not installed", do="Run: pip install 'vl2[serve]'") from None
    return llguidance
