"""Ends of answers, the context limit, and images encoded before."""

from dataclasses import replace

import pytest
import torch

from tests.engine import tiny
from vl2.core.errors import ConfigError, ConversationError
from vl2.core.tiles import TileGrid
from vl2.engine import encode
from vl2.engine.answer import AnswerStream, generate
from vl2.engine.encode import encode_images
from vl2.engine.generate import stream
from vl2.engine.request import Request
from vl2.engine.sampler import SamplingSettings
from vl2.model import VL2

TOKENIZER = tiny.byte_tokenizer()


def saying(text: str) -> VL2:
    """A model that says `text` and eos whatever it is asked: each token's embedding points at the next token."""
    model = tiny.tiny_model()
    ids = [TOKENIZER.encode("?")[0], *TOKENIZER.encode(text), TOKENIZER.eos_id]
    assert len(set(ids)) == len(ids), "a token can be followed by one token only"
    with torch.no_grad():
        for parameter in model.language.layers.parameters():
            parameter.zero_()
        model.language.embedding.weight.zero_()
        model.language.head.weight.zero_()
        for place, (number, following) in enumerate(zip(ids, ids[1:], strict=False)):
            model.language.embedding.weight[number, place] = 1
            model.language.head.weight[following, place] = 1
    return model


def ask(model: VL2, **settings: object) -> tuple[str, str, int]:
    request = Request(prompt=tiny.prompt(TOKENIZER, "?"), settings=SamplingSettings(**settings))  # type: ignore[arg-type]
    answer = generate(model, TOKENIZER, [request])[0]
    return answer.text, answer.finish_reason, answer.usage.completion_tokens


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ("abcdef🙂", "stop", 10)),
        ({"max_new_tokens": 10}, ("abcdef🙂", "length", 10)),
        ({"max_new_tokens": 3}, ("abc", "length", 3)),
        ({"max_new_tokens": 8}, ("abcdef\ufffd", "length", 8)),
        ({"stop": ("cd",)}, ("ab", "stop", 4)),
        ({"stop": ("cd",), "max_new_tokens": 4}, ("ab", "stop", 4)),
        ({"stop": ("cd",), "max_new_tokens": 3}, ("abc", "length", 3)),
        ({"stop": ("cx", "🙂🙂")}, ("abcdef🙂", "stop", 10)),
        ({"stop": ("a",)}, ("", "stop", 1)),
    ],
)
def test_how_an_answer_ends(settings: dict[str, object], expected: tuple[str, str, int]) -> None:
    assert ask(saying("abcdef🙂"), **settings) == expected


def test_stream_and_its_answer() -> None:
    request = Request(prompt=tiny.prompt(TOKENIZER, "?"))
    model = saying("abc")
    pieces = AnswerStream(request, stream(model, TOKENIZER, [request]))
    assert list(pieces) == ["a", "b", "c"]
    assert pieces.answer().text == "abc"
    half = AnswerStream(request, stream(model, TOKENIZER, [request]))
    assert next(iter(half)) == "a"
    assert half.answer().text == "abc"
    assert half.answer().usage.prompt_tokens == 2


def test_the_context_ends_the_answer() -> None:
    config = replace(tiny.MLA, language_config=replace(tiny.MLA.language_config, max_position_embeddings=16))
    request = Request(prompt=tiny.prompt(TOKENIZER, "0123456789"), settings=SamplingSettings(max_new_tokens=100))
    answer = generate(tiny.tiny_model(config), TOKENIZER, [request])[0]
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.finish_reason) == (11, 5, "length")


def test_a_prompt_that_fills_the_context_is_refused_before_anything_runs() -> None:
    config = replace(tiny.MLA, language_config=replace(tiny.MLA.language_config, max_position_embeddings=50))
    short = Request(prompt=tiny.prompt(TOKENIZER, "short"))
    long = Request(prompt=tiny.prompt(TOKENIZER, "x", (TileGrid(1, 1),)))
    with pytest.raises(ConversationError, match=r"got 87 tokens, 85 of them visual, expected fewer than 50"):
        generate(tiny.tiny_model(config), TOKENIZER, [short, long])


def test_chunk_size_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="chunk_size"):
        generate(tiny.tiny_model(), TOKENIZER, tiny.mixed_requests(TOKENIZER), chunk_size=0)


def test_no_requests() -> None:
    assert generate(tiny.tiny_model(), TOKENIZER, []) == []


def test_images_encoded_before_give_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.tiny_model()
    plain = tiny.mixed_requests(TOKENIZER, max_new_tokens=8)
    expected = [answer.token_ids for answer in generate(model, TOKENIZER, plain)]
    encoded = []
    for request in plain:
        embeds = encode_images(model, request.prompt.tiles, request.prompt.grids)
        tiles = request.prompt.tiles[:0]  # not needed any more
        visual = torch.cat(embeds) if embeds else None
        encoded.append(replace(request, prompt=replace(request.prompt, tiles=tiles), visual_embeds=visual))
    monkeypatch.setattr("vl2.engine.sight.embed_tiles", lambda model, tiles: ())
    assert [answer.token_ids for answer in generate(model, TOKENIZER, encoded)] == expected


def test_images_are_encoded_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.tiny_model()
    grids = (TileGrid(1, 2), TileGrid(2, 2), TileGrid(1, 1), TileGrid(1, 1))
    tiles = torch.rand(10, 3, 96, 96)
    whole = encode_images(model, tiles, grids)
    monkeypatch.setattr(encode, "TILES_AT_ONCE", 4)
    for found, expected in zip(encode_images(model, tiles, grids), whole, strict=True):
        torch.testing.assert_close(found, expected)
    assert [len(tokens) for tokens in whole] == [grid.num_visual_tokens(6) for grid in grids]


def test_finished_rows_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.tiny_model()
    widths: list[int] = []
    forward = model.language.forward

    def spy(embeds: torch.Tensor, *rest: object) -> object:
        widths.append(len(embeds))
        return forward(embeds, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(model.language, "forward", spy)
    requests = [
        Request(prompt=tiny.prompt(TOKENIZER, "abc"), settings=SamplingSettings(max_new_tokens=count))
        for count in (1, 3, 3)
    ]
    generate(model, TOKENIZER, requests)
    assert widths == [3, 2, 2]
