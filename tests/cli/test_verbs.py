"""Answers on stdout, statistics on stderr, boxes in files."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.running import SHORT, only_line, run
from vl2.engine.assistant import Assistant
from vl2.engine.encoded_image import EncodedImage


def test_ask_streams_the_answer_and_reports_on_stderr(folder: Path, image: str) -> None:
    plain = run("ask", image, "What?", "--model", str(folder), *SHORT)
    assert plain.exit_code == 0
    assert "prompt" in plain.stderr
    assert "answer 4 tokens" in plain.stderr
    record = json.loads(run("ask", image, "What?", "--model", str(folder), *SHORT, "--json").stdout)
    assert plain.stdout == record["text"] + "\n"
    assert record["finish_reason"] == "length"
    assert record["usage"]["completion_tokens"] == 4
    assert [span["text"] for span in record["spans"]] == [record["text"]]
    assert run("ask", image, image, "Which?", "--model", str(folder), *SHORT).exit_code == 0
    assert run("ask", "Who are you?", "--model", str(folder), *SHORT).exit_code == 0


def test_seeds_repeat(folder: Path, image: str) -> None:
    def sampled(seed: str) -> str:
        words = ("--temperature", "1", "--seed", seed, *SHORT, "--json")
        return json.loads(run("ask", image, "?", "--model", str(folder), *words).stdout)["text"]

    first, again, other = (sampled(seed) for seed in ("1", "1", "2"))
    assert first == again
    assert first != other


def test_drafts_change_no_answer(folder: Path, image: str) -> None:
    words = ("ask", image, "one two three one two", "--model", str(folder), "--max-new-tokens", "24")
    plain = run(*words, "--dtype", "float32")
    assert plain.exit_code == 0
    assert run(*words, "--dtype", "float32", "--draft-tokens", "6").stdout == plain.stdout


def test_caption_and_read(folder: Path, image: str) -> None:
    for words in (("caption", image), ("caption", image, "--length", "long"), ("read", image)):
        result = run(*words, "--model", str(folder), *SHORT, "--json")
        assert result.exit_code == 0
        assert set(json.loads(result.stdout)) == {"text", "spans", "finish_reason", "usage"}


@pytest.fixture
def grounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that finds two boxes."""
    answered = Assistant.detect

    def detect(self: Assistant, image: EncodedImage, phrase: str, **settings: object) -> object:
        answer = answered(self, image, phrase, **settings)
        text = f"<|ref|>{phrase}\x1b[31m<|/ref|><|det|>[[0, 0, 500, 999], [500, 0, 999, 500]]<|/det|>"
        return type(answer)(**{**vars(answer), "text": text})

    monkeypatch.setattr(Assistant, "detect", detect)


@pytest.mark.usefixtures("grounded")
def test_detect_and_point(folder: Path, image: str, tmp_path: Path) -> None:
    model = ("--model", str(folder), *SHORT)
    assert run("detect", image, "red circle", *model).stdout == (
        "red circle[31m\t0\t0\t75\t60\nred circle[31m\t75\t0\t150\t30\n"
    )
    assert run("point", image, "red circle", *model).stdout == "red circle[31m\t38\t30\nred circle[31m\t113\t15\n"
    out = tmp_path / "out.png"
    result = run("detect", image, "red circle", *model, "--draw", str(out), "--json")
    boxes = json.loads(result.stdout)["spans"][0]["boxes"]
    assert boxes[0]["thousandths"] == [0, 0, 500, 999]
    assert boxes[0]["pixels"] == [0, 0, 75, 60]
    assert Image.open(out).size == (150, 60)
    assert list(tmp_path.iterdir()) == [out]


def test_detect_without_a_box_says_so(folder: Path, image: str) -> None:
    result = run("detect", image, "red circle", "--model", str(folder), *SHORT)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "No box" in result.stderr


@pytest.mark.parametrize("name", ["out.txt", "nowhere/out.png", ".", "out"])
def test_draw_is_checked_before_the_model_is_loaded(image: str, tmp_path: Path, name: str) -> None:
    result = run("detect", image, "x", "--model", "/no/such/model", "--draw", str(tmp_path / name))
    assert result.exit_code == 2
    assert "model" not in only_line(result)
