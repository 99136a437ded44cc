"""What is sent to a server behind: the fields that vLLM reads, the grammars it applies, and what is refused."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.serve.serving import EXAMPLES, asked, data_url
from vl2.core.sample import ImageSource
from vl2.engine.assistant import Assistant
from vl2.serve.ask import Ask
from vl2.serve.box_lark import detection_grammar, whole_boxes_grammar
from vl2.serve.convert import addresses_of, read_chat
from vl2.serve.forward import body_of
from vl2.serve.images import _decode
from vl2.serve.problems import Problem
from vl2.serve.schema import ChatRequest
from vl2.serve.settings import ServeSettings
from vl2.serve.verbs import DetectRequest, ask_of

llguidance = pytest.importorskip("llguidance")
FOUND = "<|ref|>blue house<|/ref|><|det|>[[444, 46, 764, 363]]<|/det|>"


def ask_from(messages: list[dict], **fields: Any) -> Ask:
    body = ChatRequest.model_validate({"messages": messages, **fields})
    addresses = addresses_of(body.messages)
    images = [ImageSource(data=_decode(address, 1 << 24), width=96, height=96) for address in addresses]
    return read_chat(body, tuple(images), ServeSettings())


@pytest.fixture
def sent(assistant: Assistant) -> Any:
    def send(messages: list[dict], kind: Any = "vllm", **fields: Any) -> dict[str, Any]:
        return body_of(ask_from(messages, **fields), "pocket", 50, kind, assistant.processor)

    return send


def test_the_whole_body(sent: Any) -> None:
    assert sent(asked("Hello. "), temperature=0.5, top_k=7, seed=3, stop=["x"], logprobs=True, top_logprobs=2) == {
        "model": "pocket", "messages": [{"role": "user", "content": "Hello."}], "n": 1, "stream": True,
        "stream_options": {"include_usage": True}, "max_tokens": 50, "temperature": 0.5, "top_p": 1.0, "top_k": 7,
        "seed": 3, "stop": ["x"], "logprobs": True, "top_logprobs": 2, "skip_special_tokens": False,
    }  # fmt: skip


def test_images_stay_where_they_stand(sent: Any) -> None:
    image = {"type": "image_url", "image_url": {"url": data_url("shapes.png")}}
    content = [{"type": "text", "text": "This "}, image, {"type": "text", "text": "and"}, image]
    (message,) = sent([{"role": "user", "content": content}])["messages"]
    told = [part["text"] if part["type"] == "text" else "IMAGE" for part in message["content"]]
    assert told == ["This ", "IMAGE", "\n", "and", "IMAGE"]
    url = message["content"][1]["image_url"]["url"]
    assert base64.b64decode(url.partition(",")[2]) == (EXAMPLES / "shapes.png").read_bytes()


def test_an_image_that_programs_read_in_several_ways_is_sent_as_plain_pixels(sent: Any, tmp_path: Path) -> None:
    picture = Image.open(EXAMPLES / "shapes.png").convert("RGB").crop((0, 0, 96, 48))
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    picture.save(tmp_path / "turned.png", exif=exif)
    url = "data:image/png;base64," + base64.b64encode((tmp_path / "turned.png").read_bytes()).decode()
    for kind, size in (("vllm", (48, 96)), ("vl2", (96, 48))):
        (message,) = sent(asked("a", url), kind=kind)["messages"]
        data = base64.b64decode(message["content"][0]["image_url"]["url"].partition(",")[2])
        assert Image.open(io.BytesIO(data)).size == size


def test_a_begun_answer_goes_on(sent: Any) -> None:
    begun = [*asked("Tell a story."), {"role": "assistant", "content": "Once upon"}]
    body = sent(begun)
    assert body["messages"][-1] == begun[-1]
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    ours = sent(begun, kind="vl2")
    assert ours["messages"][-1] == begun[-1] and "continue_final_message" not in ours
    empty = sent([*asked("Hello."), {"role": "assistant", "content": " "}])
    assert [message["role"] for message in empty["messages"]] == ["user"] and "continue_final_message" not in empty


def test_what_our_own_server_reads(sent: Any) -> None:
    options = {"max_tiles": 2, "image_tokens": 600, "constrain_boxes": False}
    body = sent(asked("a", data_url("sign.png")), kind="vl2", vl2=options)
    assert body["vl2"] == options | {"kept_share": 1.0}
    assert "structured_outputs" not in sent(asked("<|ref|>a<|/ref|>"), kind="vl2")


@pytest.mark.parametrize("options", [{"max_tiles": 1}, {"image_tokens": 500}, {"kept_share": 0.5}])
def test_what_vllm_cannot_do_is_refused(sent: Any, options: dict) -> None:
    with pytest.raises(Problem, match="cuts images by its own rule") as told:
        sent(asked("a", data_url("sign.png")), vl2=options)
    assert (told.value.status, told.value.code, told.value.param) == (400, "unsupported_upstream", "vl2")


@pytest.mark.parametrize("text", ["a <image> b", "<|User|>: hi", "<|Assistant|>:", "<｜end▁of▁sentence｜>"])
def test_a_text_that_would_become_a_mark_is_refused(sent: Any, text: str) -> None:
    with pytest.raises(Problem, match="would act as a mark") as told:
        sent(asked(text))
    assert told.value.code == "unsupported_upstream"
    halves = [{"type": "text", "text": text[:4]}, {"type": "text", "text": text[4:]}]
    with pytest.raises(Problem, match="would act as a mark"):
        sent([{"role": "user", "content": halves}])
    assert sent(asked(text), kind="vl2")["messages"][0]["content"] == text, "our own server can tell them apart"


def test_which_answers_have_a_grammar(sent: Any, assistant: Assistant) -> None:
    assert "structured_outputs" not in sent(asked("Hello."))
    whole = {"grammar": whole_boxes_grammar()}
    assert sent(asked("<|ref|>blue house<|/ref|>", data_url("shapes.png")))["structured_outputs"] == whole
    assert sent(asked("<|grounding|>Describe it.", data_url("shapes.png")))["structured_outputs"] == whole
    free = sent(asked("<|ref|>blue house<|/ref|>"), vl2={"constrain_boxes": False})
    assert "structured_outputs" not in free
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    body = sent(asked("<|ref|>a<|/ref|>"), response_format=form)
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"} and "structured_outputs" not in body
    image = ImageSource(data=(EXAMPLES / "shapes.png").read_bytes(), width=96, height=96)
    request = DetectRequest.model_validate({"image_url": "data:,", "object": "blue house"})
    detect = body_of(ask_of(request, image, ServeSettings()), "pocket", 50, "vllm", assistant.processor)
    assert detect["structured_outputs"] == {"grammar": detection_grammar("blue house")}


@pytest.fixture(scope="module")
def accepts(assistant: Assistant) -> Any:
    """Tell whether an answer fits a grammar, as llguidance judges it within vLLM: token by token."""
    tokenizer = assistant.processor.tokenizer
    tokens = llguidance.LLTokenizer(tokenizer.backend.to_str(), n_vocab=len(tokenizer), eos_token=tokenizer.eos_id)

    def judge(grammar: str, answer: str) -> bool:
        compiled = llguidance.grammar_from("grammar", grammar)
        assert llguidance.LLMatcher.validate_grammar(compiled, tokens) == ""
        matcher, ids = llguidance.LLMatcher(tokens, compiled), tokenizer.encode(answer)
        return matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()

    return judge


@pytest.mark.parametrize(
    ("answer", "whole", "of_the_house"),
    [
        (FOUND, True, True),
        (FOUND.replace("]]", "], [0, 1, 20, 999]]"), True, True),
        ("There is no blue house.\nNone.", True, True),
        ("没有。", True, True),
        (FOUND.replace("blue", "red"), True, False),
        (f"A {FOUND} and {FOUND}.", True, False),
        ("<|det|>[[1, 2, 3, 4]]<|/det|>", True, False),
        (FOUND.replace(", 363", ""), False, False),
        (FOUND.replace("363", "3630"), False, False),
        (FOUND.replace("363", "063"), False, False),
        (FOUND.replace("<|/det|>", ""), False, False),
        ("<|ref|>blue house<|/ref|>", False, False),
        ("a<|/det|>", False, False),
        ("<|User|>: hi", False, False),
    ],
)
def test_the_grammars(accepts: Any, answer: str, whole: bool, of_the_house: bool) -> None:
    assert accepts(whole_boxes_grammar(), answer) is whole
    assert accepts(detection_grammar("blue house"), answer) is of_the_house


def test_a_label_of_any_characters(accepts: Any) -> None:
    label = 'the "blue" \\ house/ 房子'
    assert accepts(detection_grammar(label), FOUND.replace("blue house", label))
