"""What comes by HTTP becomes the ids that the released code makes: no space more, tiles by the number of images."""

from __future__ import annotations

import base64

import pytest

pytest.importorskip("fastapi")

from tests.processor.test_recorded import FIXTURES, expand, expected_of, processor_of, recorded_cases
from vl2.core.sample import ImageSource
from vl2.processor import image_size
from vl2.processor.chat import ChatRules
from vl2.serve.convert import addresses_of, conversation_of
from vl2.serve.images import _decode
from vl2.serve.schema import ChatRequest

ROLES = {"<|User|>": "user", "<|Assistant|>": "assistant", "system": "system", "": "system"}
IMAGE = "<image>"


def to_wire(conversation: list[dict]) -> list[dict]:
    """Return recorded turns as an OpenAI client would send them."""
    messages = []
    for turn in conversation:
        images = iter(turn.get("images", []))
        parts: list[dict] = []
        for place, text in enumerate(turn["content"].split(IMAGE)):
            if place:
                data = base64.b64encode((FIXTURES / "images" / f"{next(images)}.png").read_bytes()).decode()
                parts.append({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}})
            if text:
                parts.append({"type": "text", "text": text})
        messages.append({"role": ROLES.get(turn["role"], turn["role"]), "content": parts or ""})
    return messages


def wire_cases() -> list[tuple[str, str]]:
    """The conversations that a client can send: they ask for an answer, and hold no special string of another kind."""
    return [
        (checkpoint, name)
        for checkpoint, name in recorded_cases()
        if all("conversation" in row and not row["for_training"] for row in expected_of(checkpoint)["cases"][name])
    ]


@pytest.mark.parametrize(("checkpoint", "name"), wire_cases())
def test_the_ids_are_the_recorded_ones(checkpoint: str, name: str) -> None:
    processor = processor_of(checkpoint)
    for row in expected_of(checkpoint)["cases"][name]:
        messages = to_wire(row["conversation"])
        if messages[-1] == {"role": "assistant", "content": ""}:
            messages.pop()
        body = ChatRequest.model_validate({"messages": messages})
        data = [_decode(address, 1 << 24) for address in addresses_of(body.messages)]
        images = tuple(ImageSource(data=one) for one in data)
        conversation = conversation_of(body.messages, images)
        sizes = [image_size(one) for one in data]
        rules = ChatRules(trusted=False, keep_marks=True)
        assert processor.measure(conversation.messages, sizes, rules).input_ids.tolist() == expand(row["input_ids"])


def test_there_are_enough_of_them() -> None:
    assert len(wire_cases()) >= 40
