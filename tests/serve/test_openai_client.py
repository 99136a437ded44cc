"""OpenAI's own client: chat, streams, images, schemas, log-probabilities, responses."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tests.serve.serving import Running, asked, data_url
from vl2.engine.sampler import TokenLogprobs
from vl2.serve.logprobs import logprob_entry

openai = pytest.importorskip("openai")

SCHEMA = {
    "type": "object",
    "properties": {"color": {"enum": ["red", "blue"]}, "count": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["color", "count"],
    "additionalProperties": False,
}
HOUSE = "<|ref|>blue house<|/ref|>"
FOUND = "<|ref|>blue house<|/ref|><|det|>[[444, 46, 764, 363]]<|/det|>"


@pytest.fixture(scope="module")
def client(served: Running) -> Any:
    return openai.OpenAI(base_url=f"{served.address}/v1", api_key="none", max_retries=0)


def test_a_question_about_a_picture(client: Any) -> None:
    messages = asked("What is the price of Cake?", data_url("receipt.png"))
    found = client.chat.completions.create(model="pocket", messages=messages)
    assert (found.choices[0].message.content, found.choices[0].finish_reason) == ("7.02", "stop")
    assert found.usage.completion_tokens == 4
    assert found.usage.prompt_tokens == 147
    assert found.usage.prompt_tokens_details.image_tokens == 127


def test_a_stream_tells_boxes_as_they_come(client: Any) -> None:
    messages = asked(HOUSE, data_url("shapes.png"))
    chunks = list(
        client.chat.completions.create(
            model="pocket", messages=messages, stream=True, stream_options={"include_usage": True},
            extra_body={"vl2": {"boxes": "pixels"}},
        )
    )  # fmt: skip
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == FOUND
    told = [entry for delta in deltas for entry in (delta.model_extra or {}).get("grounding", [])]
    assert [entry["complete"] for entry in told] == [False, True]
    whole = {"ref": "blue house", "span": [0, len(FOUND)], "boxes": [[42, 4, 73, 34]], "image": 0, "problems": []}
    assert told[-1] == whole | {"complete": True}
    assert chunks[-1].usage.total_tokens == chunks[-1].usage.prompt_tokens + 15
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"


@pytest.mark.parametrize(
    ("unit", "box"), [("thousand", [444, 46, 764, 363]), ("unit", [0.4444, 0.046, 0.7648, 0.3634])]
)
def test_boxes_in_other_units(client: Any, unit: str, box: list[float]) -> None:
    found = client.chat.completions.create(
        model="pocket", messages=asked(HOUSE, data_url("shapes.png")), extra_body={"vl2": {"boxes": unit}}
    )
    assert found.choices[0].message.model_extra["grounding"][0]["boxes"] == [box]


def test_an_answer_is_taken_back_as_a_turn(client: Any) -> None:
    messages = asked(HOUSE, data_url("shapes.png"))
    first = client.chat.completions.create(model="pocket", messages=messages)
    messages += [first.choices[0].message.model_dump(), {"role": "user", "content": "How many circles are there?"}]
    second = client.chat.completions.create(model="pocket", messages=messages)
    assert second.choices[0].message.content
    assert second.usage.prompt_tokens_details.cached_tokens >= 80


@pytest.mark.parametrize("stream", [False, True])
def test_the_answer_fits_a_schema(client: Any, stream: bool) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "counted", "schema": SCHEMA, "strict": True}}
    found = client.chat.completions.create(
        model="pocket", messages=asked("What is there?", data_url("shapes.png")), response_format=form, stream=stream,
        max_tokens=200, temperature=1, seed=3,
    )  # fmt: skip
    if stream:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in found)
    else:
        text = found.choices[0].message.content
    value = json.loads(text)
    assert set(value) == {"color", "count"}
    assert value["color"] in ("red", "blue") and 0 <= value["count"] <= 9


def test_log_probabilities(client: Any) -> None:
    found = client.chat.completions.create(
        model="pocket", messages=asked("Read the text.", data_url("sign.png")), logprobs=True, top_logprobs=3
    )
    entries = found.choices[0].logprobs.content
    assert "".join(entry.token for entry in entries) == found.choices[0].message.content
    for entry in entries:
        assert bytes(entry.bytes).decode() == entry.token
        assert entry.logprob == max(one.logprob for one in entry.top_logprobs) and len(entry.top_logprobs) == 3
        assert sum(math.exp(one.logprob) for one in entry.top_logprobs) <= 1 + 1e-4


def test_several_answers_and_seeds(client: Any) -> None:
    def answers(seed: int) -> list[str]:
        found = client.chat.completions.create(
            model="pocket", messages=asked("Describe the picture.", data_url("shapes.png")), n=3, temperature=1,
            seed=seed, max_tokens=30,
        )  # fmt: skip
        assert [choice.index for choice in found.choices] == [0, 1, 2]
        return [choice.message.content for choice in found.choices]

    answers(5)  # what is cached is added up in another order
    first = answers(5)
    assert len(set(first)) > 1
    assert answers(5) == first
    assert answers(6)[:2] == first[1:], "answer k has the seed + k"


def test_stop_and_length(client: Any) -> None:
    messages = asked("Read the text.", data_url("sign.png"))
    stopped = client.chat.completions.create(model="pocket", messages=messages, stop=["\n"]).choices[0]
    assert (stopped.message.content, stopped.finish_reason) == ("87.92", "stop")
    short = client.chat.completions.create(model="pocket", messages=messages, max_completion_tokens=2).choices[0]
    assert short.finish_reason == "length"


def test_responses(client: Any) -> None:
    content = [
        {"type": "input_image", "image_url": data_url("sign.png")}, {"type": "input_text", "text": "Read the text."}
    ]  # fmt: skip
    found = client.responses.create(model="pocket", input=[{"role": "user", "content": content}])
    assert (found.output_text, found.status) == ("87.92\nQUESTION", "completed")
    with client.responses.stream(model="pocket", input=[{"role": "user", "content": content}]) as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_response().output_text == found.output_text
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    assert kinds.count("response.output_text.delta") >= 1
    short = client.responses.create(model="pocket", input="Hello.", max_output_tokens=2, instructions="Be kind.")
    assert (short.status, short.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert short.output[0].status == "incomplete"
    json_object = {"format": {"type": "json_object"}}
    found = client.responses.create(model="pocket", input="Hello.", max_output_tokens=2, text=json_object)
    assert found.text.format.type == "json_object"
    with pytest.raises(openai.BadRequestError, match="at most 999"):
        client.responses.create(model="pocket", input=[{"role": "user", "content": "a"}] * 1000, instructions="b")


def test_a_piece_of_a_character_has_its_own_bytes(assistant: Any) -> None:
    tokenizer = assistant.processor.tokenizer
    ids = tokenizer.encode("\u4e2d")
    entries = [logprob_entry(TokenLogprobs(token_id=one, logprob=-1.0, top=()), tokenizer) for one in ids]
    assert len(ids) > 1
    assert bytes(byte for entry in entries for byte in entry["bytes"]).decode() == "\u4e2d"


def test_a_phrase_that_was_begun_can_be_closed(client: Any) -> None:
    question = asked("Locate <|ref|>blue house<|/ref|> in the given image.", data_url("shapes.png"))
    begun = {"role": "assistant", "content": "<|ref|>blue house<|/ref|><|det|>[["}
    found = client.chat.completions.create(model="pocket", messages=[*question, begun], max_tokens=20)
    assert "]]<|/det|>" in found.choices[0].message.content


def test_the_models(client: Any) -> None:
    assert [model.id for model in client.models.list()] == ["pocket"]
    (listed,) = client.models.list()
    assert client.models.retrieve("pocket").to_dict() == listed.to_dict()
    assert listed.model_extra["max_model_len"] == 4096
    with pytest.raises(openai.NotFoundError, match="expected 'pocket'"):
        client.chat.completions.create(model="gpt-5", messages=asked("Hello."))


def test_mistakes_are_openai_errors(client: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="pocket", messages=asked("word " * 6000))
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="pocket", messages=asked("a"), extra_body={"no_such_field": 1})
    assert (caught.value.code, caught.value.param) == ("unknown_parameter", "no_such_field")
