"""vl2 plan, and the options that bound images and context."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import SHORT, only_line, run
from vl2.weights import preflight


def test_a_plan_of_a_size_that_is_not_on_this_machine() -> None:
    words = ("plan", "--model", "tiny", "--num-images", "32", "--max-context", "16384", "--rope-scaling", "yarn")
    need = json.loads(run(*words, "--json").stdout)
    assert (need["num_images"], need["num_tiles"], need["image_tokens"]) == (32, 32, 32 * 421)
    assert need["context_tokens"] == 32 * 421 + 256 + 512
    assert need["weights"] == 6_741_002_880
    parts = ("weights", "runtime", "pixels", "tiles", "features", "cache", "scratch")
    assert need["total"] == sum(need[name] for name in parts)
    assert "32" in run(*words).stdout


def test_a_plan_in_fewer_bits() -> None:
    need = json.loads(run("plan", "--model", "tiny", "--json").stdout)
    less = json.loads(run("plan", "--model", "tiny", "--dtype", "int4", "--cache-dtype", "int8", "--json").stdout)
    assert less["weights"] < 0.36 * need["weights"]
    assert less["cache"] == need["cache"] * 2688 // 5120  # 2560 codes, 40 scales, filled up to whole lines
    assert less["features"] == need["features"]


def test_a_plan_of_files(image: str) -> None:
    need = json.loads(run("plan", image, image, "--json").stdout)
    assert (need["num_images"], need["image_tokens"]) == (2, 2 * 121)  # 150 x 60 pixels: two local tiles
    need = json.loads(run("plan", image, "--kept-share", "0.5", "--json").stdout)
    assert need["image_tokens"] == 121 - 36


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--model", "tiny", "--num-images", "32"), "max_context with rope_scaling"),
        (("--model", "tiny", "--num-images", "33"), "at most 32"),
        (("--size", "10"), "not a size"),
        (("--size", "0x10"), "not a size"),
        (("--image-tokens", "84"), "expected at least 85"),
        (("--max-context", "8192"), "rope_scaling yarn or linear"),
        (("--dtype", "int3"), "dtype"),
        (("--kept-share", "2"), "kept_share"),
    ],
)
def test_plans_that_cannot_be(words: tuple[str, ...], message: str) -> None:
    result = run("plan", *words)
    assert result.exit_code == 2
    assert message in only_line(result)


def test_a_plan_that_does_not_fit_is_shown_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "available_bytes", lambda *_: 6_000_000_000)
    result = run("plan", "--model", "tiny")
    assert result.exit_code == 2
    assert "6,741.0 MB" in result.stdout
    assert "memory: the model does not fit" in result.stderr
    monkeypatch.setattr(preflight, "available_bytes", lambda *_: 7_500_000_000)
    result = run("plan", "--model", "tiny")
    assert result.exit_code == 2
    assert "memory: this request does not fit" in result.stderr


def test_a_question_with_bounded_images(folder: Path, image: str) -> None:
    def usage(*words: str) -> dict[str, int]:
        result = run("ask", image, "What?", "--model", folder, *SHORT, "--json", *words)
        return json.loads(result.stdout)["usage"]

    whole = usage()["image_tokens"]
    assert usage("--image-tokens", str(whole - 1))["image_tokens"] == 85
    assert usage("--kept-share", "0.5")["image_tokens"] == whole - 36
    assert usage("--max-context", "8192", "--rope-scaling", "linear")["image_tokens"] == whole
    assert usage("--max-context", "200")["completion_tokens"] == 4


@pytest.mark.parametrize("verb", [("read",), ("detect", "dot"), ("point", "dot"), ("ask", "<|ref|>dot<|/ref|>")])
def test_reading_and_boxes_are_not_pruned(image: str, verb: tuple[str, ...]) -> None:
    name, *rest = verb
    result = run(name, image, *rest, "--kept-share", "0.5", "--model", "/no/such/model")
    assert result.exit_code == 2
    assert "not for reading and boxes" in only_line(result)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--max-context", "8192"), "rope_scaling yarn or linear"),
        (("--rope-scaling", "yarn"), "needs a longer context"),
        (("--rope-scaling", "cubic"), "yarn"),
        (("--max-context", "60"), "leaves no room"),
        (("--image-tokens", "3"), "image_tokens"),
        (("--kept-share", "0"), "kept_share"),
    ],
)
def test_bounds_that_cannot_be(folder: Path, image: str, words: tuple[str, ...], message: str) -> None:
    result = run("ask", image, "What?", "--model", folder, *words)
    assert result.exit_code == 2
    assert message in only_line(result)
