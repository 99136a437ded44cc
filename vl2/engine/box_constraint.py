"""Constraints under which malformed boxes cannot be written: an answer that ends is read without a problem."""

from __future__ import annotations

from collections.abc import Generator

from torch import Tensor

from vl2.core.boxes import Box
from vl2.core.errors import ConfigError, VL2Error
from vl2.engine.box_grammar import BoxState
from vl2.engine.box_vocabulary import BoxVocabulary, mark_begun
from vl2.processor.grounding import Span, parse, render

DEFAULT_MAX_BOXES = 64


class BoxConstraint:
    """A Constraint of one answer. Only the room for the answer can still end it within a phrase."""

    def __init__(self, grammar: Generator[Tensor, int, None]) -> None:
        """Take what yields the tokens that may come [V] and takes the chosen one, without end."""
        self._grammar = grammar
        self._allowed = next(grammar)  # [V]

    def allowed(self) -> Tensor:
        """Return which tokens may come next [V] bool. It may be shared: do not write to it."""
        return self._allowed

    def accept(self, token_id: int) -> None:
        """Take the token that was chosen. Raises VL2Error when it may not come."""
        if not self._allowed[token_id]:
            raise VL2Error("constraint", "this token may not come here", got=token_id)
        self._allowed = self._grammar.send(token_id)


def constrain_boxes(
    vocabulary: BoxVocabulary, *, max_boxes: int = DEFAULT_MAX_BOXES, needs_label: bool = True
) -> BoxConstraint:
    """Let text be free and phrases be whole: a label in marks, and behind it 1..`max_boxes` boxes.

    Without `needs_label`, boxes may also stand alone, as where an answer goes on behind a label that was given.
    """
    _check_max_boxes(max_boxes)
    return BoxConstraint(_free_answer(vocabulary, max_boxes, needs_label))


def constrain_detection(
    vocabulary: BoxVocabulary, label: str, *, may_refuse: bool = False, max_boxes: int = DEFAULT_MAX_BOXES
) -> BoxConstraint:
    """Let the answer be the boxes of this label and nothing else.

    With `may_refuse` it may be text without boxes instead: `There is no red star.`
    Raises ConfigError for a label that cannot stand in marks.
    """
    _check_max_boxes(max_boxes)
    return BoxConstraint(_detection(vocabulary, _spelled_label(vocabulary, label), may_refuse, max_boxes))


def _free_answer(vocabulary: BoxVocabulary, max_boxes: int, needs_label: bool) -> Generator[Tensor, int, None]:
    unlabelled = () if needs_label else (vocabulary.det_id,)
    ends = (vocabulary.eos_id, vocabulary.ref_id, *unlabelled)
    while (end := (yield from _text(vocabulary, ends, ends))) != vocabulary.eos_id:
        if end == vocabulary.ref_id:
            yield from _text(vocabulary, (), (vocabulary.ref_end_id,))
            yield vocabulary.mask([vocabulary.det_id])
        yield from _boxes(vocabulary, max_boxes)
    yield from _end(vocabulary)


def _detection(vocabulary: BoxVocabulary, label: str, may_refuse: bool, max_boxes: int) -> Generator[Tensor, int, None]:
    opens = vocabulary.ref_id
    if may_refuse:
        first = yield from _text(vocabulary, (opens,), (vocabulary.eos_id,))
    else:
        first = yield vocabulary.mask([opens])
    if first == opens:
        while label:
            choices = vocabulary.beginning(label)
            label = label[choices[(yield vocabulary.mask(choices))] :]
        yield vocabulary.mask([vocabulary.ref_end_id])
        yield vocabulary.mask([vocabulary.det_id])
        yield from _boxes(vocabulary, max_boxes)
    yield from _end(vocabulary)


def _text(vocabulary: BoxVocabulary, first: tuple[int, ...], ends: tuple[int, ...]) -> Generator[Tensor, int, int]:
    """Let plain text come that does not spell a mark, up to a special token; return that.

    `first` are the special tokens that may come at once, `ends` those that may come behind some text.
    """
    begun = b""
    token_id = yield vocabulary.text_mask(begun, first)
    if token_id in first:
        return token_id
    while True:
        begun = mark_begun(begun + vocabulary.bytes_of(token_id))
        token_id = yield vocabulary.text_mask(begun, ends)
        if token_id in ends:
            return token_id


def _boxes(vocabulary: BoxVocabulary, max_boxes: int) -> Generator[Tensor, int, None]:
    """Let boxes come behind their mark, and the mark that closes them."""
    state: BoxState | None = BoxState(max_boxes - 1)
    while state is not None and not state.is_end:
        token_id = yield vocabulary.mask(vocabulary.continuing(state))
        state = state.read(vocabulary.bytes_of(token_id).decode())
    yield vocabulary.mask([vocabulary.det_end_id])


def _end(vocabulary: BoxVocabulary) -> Generator[Tensor, int, None]:
    while True:
        yield vocabulary.mask([vocabulary.eos_id])


def _spelled_label(vocabulary: BoxVocabulary, label: str) -> str:
    phrase = render(label, (boxes := (Box(0, 0, 0, 0),)))
    if not label or parse(phrase) != (Span(text=phrase, label=label, boxes=boxes),):
        raise ConfigError("label", "empty, or holds a grounding mark", got=ascii(label), expected="a phrase")
    try:
        spelled = vocabulary.spelled(label)
    except UnicodeEncodeError:  # half of a surrogate pair
        raise ConfigError("label", "not valid Unicode", got=ascii(label)) from None
    if not all(vocabulary.beginning(character) for character in set(spelled)):
        raise ConfigError("label", "holds what the vocabulary has no tokens for", got=ascii(label))
    return spelled


def _check_max_boxes(max_boxes: int) -> None:
    if max_boxes < 1:
        raise ConfigError("max_boxes", "must be positive", got=max_boxes)
