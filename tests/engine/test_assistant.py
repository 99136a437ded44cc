"""The verbs, on a random checkpoint: what reaches the model, and what comes back."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import vl2
from tests.engine import tiny
from vl2.core.errors import ConfigError, ConversationError, ImageError, VL2Error, WeightsError
from vl2.engine.answer import Answer, Usage
from vl2.engine.assistant import Assistant
from vl2.engine.request import Request
from vl2.processor import Processor


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny")


@pytest.fixture(scope="module")
def assistant(folder: Path) -> Assistant:
    return vl2.load(folder)


@pytest.fixture
def image() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (60, 150, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def asked(assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Request]]:
    """The requests that the verbs make."""
    seen: list[Request] = []
    request = assistant.request

    def spy(*values: object) -> Request:
        seen.append(request(*values))  # type: ignore[arg-type]
        return seen[-1]

    monkeypatch.setattr(assistant, "request", spy)
    return seen  # type: ignore[return-value]


def text_of(assistant: Assistant, request: Request) -> str:
    """The prompt with each image as one <image>."""
    ids = [int(number) for number in request.prompt.input_ids]
    image_id = assistant.processor.image_id
    kept = [number for place, number in enumerate(ids) if number != image_id or ids[place - 1] != image_id]
    return assistant.processor.decode(kept)


def test_prompts_of_the_verbs(assistant: Assistant, image: Image.Image, asked: list[Request]) -> None:
    short = {"max_new_tokens": 1}
    assistant.ask(image, "How many?", **short)
    assistant.ask([image, image], "Which?", **short)
    assistant.ask([], "Who are you?", **short)
    assistant.detect(image, "red circle", **short)
    assistant.point(image, "the <|User|> sign", **short)
    assistant.caption(image, **short)
    assistant.caption(image, "short", **short)
    assistant.caption(image, length="long", **short)
    assistant.read(image, **short)
    assert [text_of(assistant, request) for request in asked] == [
        f"<bos><|User|>: {question}\n\n<|Assistant|>:"
        for question in (
            "<image>\nHow many?",
            "<image>\n<image>\nWhich?",
            "Who are you?",
            "<image>\n<|ref|>red circle<|/ref|>",
            "<image>\n<|ref|>the <|User|> sign<|/ref|>",
            "<image>\nDescribe the picture.",
            "<image>\nDescribe the picture in a few words.",
            "<image>\nDescribe the picture in detail.",
            "<image>\nRead the text.",
        )
    ]
    tokens = assistant.processor.tokenizer
    user = tokens.id_of("<|User|>")
    assert all(request.prompt.input_ids.tolist().count(user) == 1 for request in asked), "a label opens no turn"
    assert tokens.id_of("<|ref|>") in asked[3].prompt.input_ids


def test_every_kind_of_image_gives_the_same_answer(assistant: Assistant, image: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    image.save(path)
    kinds = [image, str(path), path, path.read_bytes(), np.asarray(image), assistant.encode_image(path)]
    answers = {assistant.ask(kind, "What?", max_new_tokens=6).text for kind in kinds}
    assert len(answers) == 1


def test_an_encoded_image_is_seen_once(
    assistant: Assistant, folder: Path, image: Image.Image, seen: list[int]
) -> None:
    plain = [assistant.ask([image] * count, "What?", max_new_tokens=6).text for count in (1, 2, 3)]
    seen.clear()
    assistant = vl2.load(folder)
    encoded = assistant.encode_image(image)
    assert (encoded.width, encoded.height) == (150, 60)
    found = [assistant.ask([encoded] * count, "What?", max_new_tokens=6).text for count in (1, 2, 3, 3)]
    assert found == [*plain, plain[2]]
    assert seen == [3, 1], "thumbnail and two tiles; one tile for three images, once"


def test_an_upright_photo_is_not_turned_twice(assistant: Assistant) -> None:
    image = Image.new("RGB", (40, 20), "red")
    exif = image.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", exif=exif)
    encoded = assistant.encode_image(buffer.getvalue())
    assert (encoded.width, encoded.height) == (20, 40)
    prompt = assistant.processor.num_visual_tokens(20, 40)
    assert assistant.ask(encoded, "What?", max_new_tokens=1).usage.image_tokens == prompt


def test_chat_streams_continues_and_reports(assistant: Assistant, image: Image.Image, asked: list[Request]) -> None:
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": "\nWhat?"}]},
        {"role": "assistant", "content": "A circle."},
        {"role": "user", "content": "Where is <image>?"},
    ]
    stream = assistant.chat(turns, stream=True, max_new_tokens=8)
    pieces = list(stream)
    answer = assistant.chat(turns, max_new_tokens=8)
    assert "".join(pieces) == stream.answer().text == answer.text
    assert text_of(assistant, asked[0]) == (
        "<bos>Be brief.<|User|>: <image>\nWhat?\n\n<|Assistant|>:A circle.<eos>"
        "<|User|>: Where is <image>?\n\n<|Assistant|>:"
    )
    assert answer.usage.prompt_tokens == len(asked[1].prompt.input_ids)
    assert answer.usage.image_tokens == int(asked[1].prompt.image_mask.sum())
    assert answer.usage.seconds > 0
    assistant.chat([*turns, {"role": "assistant", "content": "Left"}], max_new_tokens=1)
    assert text_of(assistant, asked[2]).endswith("<|Assistant|>:Left")


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([], "does not end"),
        ([{"role": "robot", "content": "x"}], "unknown role"),
        ([{"role": "user"}], "has no 'content'"),
        ([{"role": "user", "contents": "x"}], "Did you mean 'content'"),
        ([{"role": "user", "content": 3}], "content is no text"),
        ([{"role": "user", "content": [{"type": "video"}]}], "unknown part"),
        ([{"role": "user", "content": ["x"]}], "unknown part"),
        ([{"role": "user", "content": [{"type": "text", "text": 1}]}], "text is no str"),
        ([{"role": "user", "content": [{"type": "image", "url": "x"}]}], "unknown key 'url'"),
        (["hello"], "not a mapping"),
        ([{"role": "user", "content": "  "}], "empty question"),
        ([{"role": "assistant", "content": "x"}], "out of order"),
    ],
)
def test_conversations_that_cannot_be_read(assistant: Assistant, turns: list[object], message: str) -> None:
    with pytest.raises(ConversationError, match=message):
        assistant.chat(turns)  # type: ignore[arg-type]


def test_refusals(assistant: Assistant, image: Image.Image, folder: Path) -> None:
    with pytest.raises(ConversationError, match="question: is empty"):
        assistant.ask(image, " \n")
    with pytest.raises(ConversationError, match="phrase: is empty"):
        assistant.detect(image, "")
    with pytest.raises(ConfigError, match="Did you mean 'temperature'"):
        assistant.ask(image, "What?", temperatur=1)
    with pytest.raises(ConfigError, match="temperature"):
        assistant.ask(image, "What?", temperature="hot")
    with pytest.raises(ConfigError, match="length"):
        assistant.caption(image, "huge")  # type: ignore[arg-type]
    with pytest.raises(ConversationError, match="got 33, expected at most 32"):
        assistant.ask([image] * 33, "What?")
    with pytest.raises(ImageError):
        assistant.ask("https://example.org/a.png", "What?")
    with pytest.raises(ConfigError, match="Did you mean 'bfloat16'"):
        vl2.load(folder, dtype="bfloat")
    with pytest.raises(WeightsError):
        vl2.load(folder / "nowhere")


def test_a_long_prompt_is_refused_before_images_are_seen(
    folder: Path, image: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(tiny.MLA, language_config=replace(tiny.MLA.language_config, max_position_embeddings=64))
    assistant = Assistant(tiny.tiny_model(small), vl2.load(folder).processor)
    monkeypatch.setattr(Processor, "cut", None)
    with pytest.raises(ConversationError, match="leaves no room"):
        assistant.ask(image, "What?")


def test_a_tokenizer_that_outgrows_the_model_is_refused(folder: Path) -> None:
    small = replace(tiny.MLA, language_config=replace(tiny.MLA.language_config, vocab_size=266))
    with pytest.raises(WeightsError, match="got 267, expected at most 266"):
        Assistant(tiny.tiny_model(small), vl2.load(folder).processor)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_load_with_a_type_and_fewer_tiles(folder: Path, image: Image.Image, dtype: str) -> None:
    assistant = vl2.load(str(folder), dtype=dtype, device="cpu", max_tiles=1)
    assert assistant.model.tile_newline.dtype == getattr(torch, dtype)
    answer = assistant.ask((one for one in [image]), "What?", max_new_tokens=4, stop="~", temperature=1, seed=1)
    assert answer.usage.image_tokens == 85
    with pytest.raises(VL2Error):
        vl2.load(folder, max_tiles=0)


def test_boxes_and_points_of_an_answer() -> None:
    usage = Usage(prompt_tokens=1, image_tokens=0, completion_tokens=1, seconds=1.0)
    text = "See <|ref|>a dot<|/ref|><|det|>[[0, 0, 999, 999], [0, 0, 0, 333]]<|/det|> and <|ref|>b<|/ref|>."
    answer = Answer(text=text, token_ids=(), finish_reason="stop", usage=usage)
    assert [box.thousandths() for box in answer.boxes] == [(0, 0, 999, 999), (0, 0, 0, 333)]
    assert answer.points == ((0.5, 0.5), (0.0, pytest.approx(1 / 6)))
    assert [span.label for span in answer.spans] == [None, "a dot", None, "b", None]
    assert answer.boxes[0].pixels(200, 100) == (0, 0, 200, 100)
