"""Tokenizer files that are raw, broken or odd; streaming equals whole decoding."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vl2.core.errors import VL2Error
from vl2.processor import StreamDecoder, Tokenizer
from vl2.processor.marks import ADDED_IN_ORDER, PAD
from vl2.processor.stream_decoder import token_bytes

FIXTURES = Path(__file__).parents[1] / "fixtures" / "processor"
TOKENIZERS = {name: Tokenizer.from_directory(FIXTURES / name) for name in ("a_tiny_mha", "b_small_mla")}


def copy_of(name: str, directory: Path) -> Path:
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(FIXTURES / name / file, directory)
    return directory


def edit(path: Path, **values) -> None:
    """Set keys of a JSON file; None removes one."""
    content = json.loads(path.read_text(encoding="utf-8")) | values
    kept = {name: value for name, value in content.items() if value is not None}
    path.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")


def test_raw_tokenizer_gets_the_tokens_in_order():
    raw = Tokenizer.from_directory(FIXTURES / "d_qlora_yarn_group")
    assert [raw.id_of(text) for text in ADDED_IN_ORDER] == list(range(1004, 1012))


def test_without_a_pad_token_it_is_added_first(tmp_path):
    directory = copy_of("b_small_mla", tmp_path)
    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        edit(directory / file, pad_token=None, added_tokens_decoder=None, additional_special_tokens=None)
    content = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))
    kept = [token for token in content["added_tokens"] if token["id"] <= 961]  # bos and eos
    edit(directory / "tokenizer.json", added_tokens=kept)
    tokenizer = Tokenizer.from_directory(directory)
    assert (tokenizer.pad_id, tokenizer.backend.id_to_token(962)) == (962, PAD)
    assert [tokenizer.id_of(text) for text in ADDED_IN_ORDER] == list(range(963, 971))


def test_padding_equal_to_eos_is_kept(tmp_path):
    directory = copy_of("a_tiny_mha", tmp_path)
    edit(directory / "special_tokens_map.json", pad_token="<｜end▁of▁sentence｜>")
    tokenizer = Tokenizer.from_directory(directory)
    assert tokenizer.pad_id == tokenizer.eos_id == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a tokenizer"), (b"{}", "not a tokenizer"), (b"[1, 2]", "not a tokenizer"),
        (b"\xff\xfe\x00", "not a tokenizer"), (b"{" * 100_000, "not a tokenizer"), (None, "no such tokenizer file"),
        (b'{"version":"1.0","added_tokens":[],"model":{"type":"BPE","vocab":{},"merges":[]}}', "not a byte-level"),
    ],
)  # fmt: skip
def test_files_that_are_no_tokenizers(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(VL2Error, match=reason) as caught:
        Tokenizer.from_directory(tmp_path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"[]", b"\xff", b"{", b"null", b"[" * 100_000])
def test_broken_config_files(tmp_path, content):
    directory = copy_of("a_tiny_mha", tmp_path)
    (directory / "tokenizer_config.json").write_bytes(content)
    with pytest.raises(VL2Error, match="tokenizer_config.json: not"):
        Tokenizer.from_directory(directory)


def test_a_tokenizer_without_bos_is_refused(tmp_path):
    directory = copy_of("a_tiny_mha", tmp_path)
    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        edit(directory / file, bos_token=None)
    with pytest.raises(VL2Error, match="bos_token"):
        Tokenizer.from_directory(directory)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_saved_and_loaded_alike(name, tmp_path):
    tokenizer = TOKENIZERS[name]
    tokenizer.save(tmp_path)
    again = Tokenizer.from_directory(tmp_path)
    text = "<|User|>: 请描述 <image> 12345\n\n<|Assistant|>:"
    assert again.encode(text) == tokenizer.encode(text)
    assert (again.bos_id, again.eos_id, again.pad_id) == (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id)


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(deadline=None)
@given(ids=st.lists(st.integers(0, 1100), max_size=60), skip_special=st.booleans())
def test_equality_11_streamed_is_whole(name, ids, skip_special):
    tokenizer = TOKENIZERS[name]
    stream = StreamDecoder(tokenizer, skip_special=skip_special)
    assert "".join(map(stream.push, ids)) + stream.finish() == tokenizer.decode(ids, skip_special=skip_special)


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(deadline=None)
@given(text=st.text(max_size=60))
def test_no_piece_holds_half_a_character(name, text):
    tokenizer = TOKENIZERS[name]
    stream = StreamDecoder(tokenizer)
    pieces = [stream.push(number) for number in tokenizer.encode(text)]
    assert "".join(pieces) == text and stream.finish() == ""
    assert all("\ufffd" not in piece for piece in pieces) or "\ufffd" in text


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(deadline=None)
@given(text=st.text(max_size=80))
def test_encoding_keeps_the_text(name, text):
    assert TOKENIZERS[name].decode(TOKENIZERS[name].encode(text)) == text


def test_token_bytes_join_to_the_text():
    tokenizer = TOKENIZERS["b_small_mla"]
    text = "日本語 <|ref|>naïve<|/ref|> 😀\r\n\t"
    assert b"".join(token_bytes(tokenizer, number) for number in tokenizer.encode(text)).decode() == text


def test_lone_surrogates_are_replaced():
    tokenizer = TOKENIZERS["a_tiny_mha"]
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a\ufffdb"


@settings(deadline=None)
@given(
    pieces=st.lists(st.sampled_from([*ADDED_IN_ORDER, PAD, "<", "|", ">", "x", "｜", "<|", "|>", " "]), max_size=12),
    keep_marks=st.booleans(),
)
def test_cut_special_strings_are_ordinary(pieces, keep_marks):
    tokenizer, text = TOKENIZERS["a_tiny_mha"], "".join(pieces)
    places = tokenizer.special_places(text, keep_marks=keep_marks)
    ids = tokenizer.encode(text, [start + 1 for start, _ in places])
    assert tokenizer.decode(ids) == text
    kept = {tokenizer.id_of(mark) for mark in ADDED_IN_ORDER[1:6]} if keep_marks else set()
    assert tokenizer.special_ids & set(ids) <= kept
