"""Streamed = whole text, also through half characters and stop strings."""

import random

import pytest

from tests.engine import tiny
from vl2.engine.answer import generate
from vl2.engine.generate import stream
from vl2.engine.text_stream import TextStream

TEXTS = [
    "plain words",
    "größer, 日本語 and 🙂🙃 end",
    "a <|ref|>red circle<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>.",
    "###STO STOP",
    "STSTOP after",
    "\n\n\nUser:",
    "",
]
STOPS = [(), ("STOP",), ("STOP", "TOP", "OP a"), ("\n\nUser", "\nUser:"), ("本",), ("🙂🙃",), ("<|det|>",)]


def cut(text: str, stop: tuple[str, ...]) -> str:
    """The whole text up to the stop string that is complete first."""
    for end in range(len(text) + 1):
        found = [end - len(word) for word in stop if text[:end].endswith(word)]
        if found:
            return text[: min(found)]
    return text


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("text", TEXTS)
def test_pieces_join_to_the_text_before_the_stop(text: str, stop: tuple[str, ...]) -> None:
    tokenizer = tiny.byte_tokenizer()
    pieces, written = TextStream(tokenizer, stop), ""
    for number in tokenizer.encode(text):
        written += pieces.push(number)
        assert cut(text, stop).startswith(written)
        assert not any(word in written for word in stop)
    assert written + pieces.finish() == cut(text, stop)
    assert pieces.is_stopped == (cut(text, stop) != text)


def test_incomplete_character_at_the_end() -> None:
    tokenizer = tiny.byte_tokenizer()
    pieces = TextStream(tokenizer)
    assert "".join(map(pieces.push, tokenizer.encode("a🙂")[:-1])) + pieces.finish() == "a\ufffd"


def test_random_texts_and_stops() -> None:
    tokenizer, choose = tiny.byte_tokenizer(), random.Random(0)
    for _ in range(300):
        text = "".join(choose.choices("abé", k=12))
        stop = tuple("".join(choose.choices("abé", k=choose.randint(1, 4))) for _ in range(choose.randint(1, 3)))
        pieces = TextStream(tokenizer, stop)
        written = [pieces.push(number) for number in tokenizer.encode(text)]
        assert "".join(written) + pieces.finish() == cut(text, stop), (text, stop)


@pytest.mark.parametrize("settings", [{}, {"temperature": 1.0, "seed": 3}])
def test_events_join_to_the_answers(settings: dict[str, float]) -> None:
    model, tokenizer = tiny.tiny_model(), tiny.byte_tokenizer()
    requests = tiny.mixed_requests(tokenizer, max_new_tokens=12, **settings)
    answers = generate(model, tokenizer, requests)
    texts, ids = [""] * 4, [()] * 4
    for event in stream(model, tokenizer, requests):
        texts[event.row] += event.text
        ids[event.row] += event.token_ids
    assert texts == [answer.text for answer in answers]
    assert ids == [answer.token_ids for answer in answers]
    assert texts == [tokenizer.decode(row) for row in ids]
