"""vl2 train dpo and grpo from the command line, on a toy's size; their adapters are asked like any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.running import run

QUICK = ["--lora", "2", "--set", "batch_size=2", "--set", "eval_every=1", "--set", "parts=[attention]"]
COLOURS = ("red", "green", "blue", "black")


@pytest.fixture
def rows(tmp_path) -> Path:
    """Four questions after a colour, each with an answer that is not wanted."""
    lines = []
    for colour in COLOURS:
        Image.new("RGB", (48, 48), colour).save(tmp_path / f"{colour}.png")
        said = [{"role": "user", "content": "<image>\nWhich colour?"}, {"role": "assistant", "content": colour}]
        lines.append(json.dumps({"messages": said, "images": [f"{colour}.png"], "rejected": "none"}))
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "words, tells",
    [
        (["dpo", "--beta", "0.2", "--bits", "4"], "prefers"),
        (
            ["grpo", "--reward", "answer", "--reward", "format=0.5", "--group", "2", "--set", "max_new_tokens=4"],
            "reward",
        ),
    ],
)
def test_a_run_tells_how_it_goes_and_leaves_an_adapter(words, tells, rows, tmp_path):
    out = tmp_path / "run"
    done = run("train", *words, "--data", rows, "--out", out, "--set", "eval_share=0.5", "--epochs", "1", *QUICK)
    assert done.exit_code == 0, done.output
    assert (
        "step 1 of 1: loss" in done.stderr and f"{tells} " in done.stderr and f"--adapter {out / 'best'}" in done.stderr
    )
    asked = run("ask", tmp_path / "red.png", "Which colour?", "--adapter", out / "best", "--max-new-tokens", "4")
    assert asked.exit_code == 0 and asked.stdout.strip()


@pytest.mark.parametrize(
    "words, line",
    [
        (["grpo", "--reward", "iuo"], "rewards: unknown (got iuo, expected iou, answer, number, format). Did you mean"),
        (["grpo", "--reward", "iou=much"], "--reward: the weight is no number (got iou=much"),
        (["grpo"], "rewards: nothing is rewarded"),
        (["dpo", "--beta", "0"], "beta: must be positive"),
        (["dpo", "--bits", "5"], "bits: Input should be 0, 4 or 8"),
        (["dpo", "--set", "betta=1"], "unknown field 'betta'"),
    ],
)
def test_wrong_words_are_one_line(words, line, rows, tmp_path):
    done = run("train", *words, "--data", rows, "--out", tmp_path / "run")
    assert done.exit_code == 2 and line in done.stderr and done.stderr.count("\n") == 1
