"""vl2 plan-training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import only_line, run


def test_a_plan_as_json(tmp_path: Path) -> None:
    svg = tmp_path / "step.svg"
    words = ("--variant", "tiny", "--stage", "sft", "--gpu", "h100", "--layout", "dp_shard=2,pp=4")
    plan = json.loads(run("plan-training", *words, "--timeline", svg, "--json").stdout)
    assert (plan["num_gpus"], plan["microbatches"], len(plan["stages"])) == (8, 32, 4)
    assert plan["stage_imbalance"] <= 1.10
    busy = (1 - 3 / 35) / plan["stage_imbalance"]  # the formula, of stages that are not quite equal
    assert plan["bubble"] == pytest.approx(1 - busy, abs=0.01)
    assert plan["cost"] == pytest.approx(2 * plan["gpu_hours"], abs=2)
    assert len(plan["memory_gb"]) == 4
    assert svg.read_text(encoding="utf-8").startswith("<svg")


def test_a_plan_for_people_finds_a_layout() -> None:
    shown = run("plan-training", "--num-gpus", "8").stdout
    for word in ("layout", "memory", "FLOPs", "bubble", "levelled", "MFU", "days", "stage 0", "or "):
        assert word in shown


def test_sizes_of_images_change_the_plan(tmp_path: Path) -> None:
    def plan(text: str, *words: str) -> dict:
        file = tmp_path / "sizes.txt"
        file.write_text(text)
        layout = ("--layout", "dp_shard=8")
        return json.loads(run("plan-training", *layout, "--tiles-histogram", file, *words, "--json").stdout)

    small, large = plan("320 240 1"), plan("2000 1500 3\n320 240 1")
    assert small["tiles"]["tiles_per_pack"] < large["tiles"]["tiles_per_pack"]
    assert small["tiles"]["largest_gap"] <= 1
    slow = plan("2000 1500 3\n320 240 1", "--no-balance")
    assert slow["tile_imbalance"] > large["tile_imbalance"]
    assert slow["step_seconds"] > large["step_seconds"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--variant", "tinny"), "Did you mean 'tiny'?"),
        (("--stage", "sftt"), "Did you mean 'sft'?"),
        (("--gpu", "b200"), "gpu: not known"),
        (("--layout", "tp=3"), "expected 1, 2"),
        (("--layout", "dp_replicate=8", "--variant", "base"), "does not fit"),
        (("--variant", "base", "--num-gpus", "1"), "What fits:"),
        (("--tiles-histogram", "nowhere.txt"), "no such file"),
    ],
)
def test_plans_that_cannot_be(words: tuple[str, ...], message: str) -> None:
    result = run("plan-training", *words)
    assert result.exit_code == 2
    assert message in only_line(result)


def test_the_plan_of_a_recipe() -> None:
    recipe = Path(__file__).parents[2] / "recipes" / "base" / "pretrain.yaml"
    plan = json.loads(run("plan-training", "--recipe", recipe, "--gpu", "a100", "--json").stdout)
    assert (plan["variant"], plan["stage"], plan["num_gpus"]) == ("base", "pretrain", 336)
    assert plan["layout"] == "dp_shard=28,tp=2,pp=6,schedule=interleaved,chunks=2"


def test_the_days_of_the_paper() -> None:
    lines = run("plan-training", "--paper").stdout.splitlines()
    assert len(lines) == 9
    assert lines[0].startswith("tiny  128 x A100, 20% visual tokens, MFU 19.9%: 7.0")
