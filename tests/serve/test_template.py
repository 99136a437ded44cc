"""The template that vLLM renders gives the prompts of the released code, letter for letter and id for id."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pytest

from tests.processor.test_recorded import expand, expected_of, processor_of
from tests.serve.test_prompts import IMAGE, to_wire, wire_cases
from vl2.processor.tokenizer import Tokenizer
from vl2.serve.vllm import TEMPLATE

jinja2 = pytest.importorskip("jinja2.sandbox", reason="needs jinja2, which comes with torch")


def as_vllm_gives_them(messages: list[dict]) -> list[dict]:
    """Return messages as `--chat-template-content-format openai` hands them to a template."""
    return [{"role": message["role"], "content": list(parts_of(message["content"]))} for message in messages]


def parts_of(content: str | list[dict]) -> Iterator[dict]:
    for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
        yield {"type": "image"} if part["type"] == "image_url" else {"type": "text", "text": part["text"]}


def render(messages: list[dict], tokenizer: Tokenizer, **settings: Any) -> str:
    environment = jinja2.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, **settings)

    def refuse(text: str) -> None:
        raise jinja2.SecurityError(text)

    environment.globals["raise_exception"] = refuse
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    bos, eos = (tokenizer.decode([number]) for number in (tokenizer.bos_id, tokenizer.eos_id))
    return template.render(messages=messages, bos_token=bos, eos_token=eos, add_generation_prompt=True)


@pytest.mark.parametrize(("checkpoint", "name"), wire_cases())
def test_the_prompts_are_the_recorded_ones(checkpoint: str, name: str) -> None:
    tokenizer = processor_of(checkpoint).tokenizer
    for row in expected_of(checkpoint)["cases"][name]:
        messages = to_wire(row["conversation"])
        if messages[-1] == {"role": "assistant", "content": ""}:
            messages.pop()
        prompt = render(as_vllm_gives_them(messages), tokenizer)
        ids = expand(row["input_ids"])
        # an image is one mark in the text and many in the ids
        with_one_mark = [
            number
            for number, run in groupby(ids)
            for _ in range(1 if number == tokenizer.image_id else len(list(run)))
        ]
        assert prompt == tokenizer.decode(with_one_mark)
        assert tokenizer.encode(prompt) == with_one_mark


def test_texts_alone_may_be_strings() -> None:
    tokenizer = processor_of("a_tiny_mha").tokenizer
    turns = [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": " Hello. "},
        {"role": "assistant", "content": "Good day."}, {"role": "user", "content": "Go on."},
        {"role": "assistant", "content": "Once upon"},
    ]  # fmt: skip
    bos, eos = (tokenizer.decode([number]) for number in (tokenizer.bos_id, tokenizer.eos_id))
    assert render(turns, tokenizer) == (
        f"{bos}Be brief.<|User|>: Hello.\n\n<|Assistant|>:Good day.{eos}<|User|>: Go on.\n\n<|Assistant|>:Once upon"
    )


def test_an_image_has_a_line_of_its_own() -> None:
    tokenizer = processor_of("a_tiny_mha").tokenizer
    content = [{"type": "image"}, {"type": "text", "text": "\nWhat is this?"}]
    prompt = render([{"role": "user", "content": content}], tokenizer)
    assert prompt.endswith(f"<|User|>: {IMAGE}\nWhat is this?\n\n<|Assistant|>:")


def test_a_role_that_the_model_does_not_know_is_refused() -> None:
    with pytest.raises(jinja2.SecurityError, match="unknown role: tool"):
        render([{"role": "tool", "content": "1"}], processor_of("a_tiny_mha").tokenizer)
