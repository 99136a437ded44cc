"""Replies of a server are hostile: only a chat completion is one, and of it only what has its type."""

from __future__ import annotations

import pytest

from vl2.core.completions import Completion, read_completion
from vl2.core.encoded import data_url
from vl2.core.errors import ImageError


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"choices": []}', b'{"choices": [{"message": {"content": 3}}]}', b"[" * 100_000]
)
def test_what_is_no_completion_is_none(content):
    assert read_completion(content) is None


@pytest.mark.parametrize(("content", "text"), [("null", ""), ('"a"', "a"), ("5", None), ('["a"]', None)])
def test_only_texts_are_answers(content, text):
    found = read_completion(f'{{"choices": [{{"message": {{"content": {content}}}}}]}}'.encode())
    assert (found.text if found else None) == text


def test_counts_that_are_none_are_not_told():
    reply = b'{"choices": [{"message": {"content": "a"}, "finish_reason": 3}], "usage": {"prompt_tokens": -1}}'
    assert read_completion(reply) == Completion(text="a")
    told = reply.replace(b"-1", b"4").replace(b"3}", b'"stop"}')
    assert read_completion(told) == Completion(text="a", finish_reason="stop", prompt_tokens=4)


def test_an_image_as_a_data_url():
    assert data_url(b"\xff\xd8\xff\xe0") == "data:image/jpeg;base64,/9j/4A=="
    with pytest.raises(ImageError, match="no known format"):
        data_url(b"<svg>")
