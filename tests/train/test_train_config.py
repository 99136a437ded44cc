"""The recipes of tiny, small and base: all load, strictly, and their layouts run and fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from vl2.core.errors import ConfigError
from vl2.core.settings import build, load_yaml, override
from vl2.train.paper import TABLE_2
from vl2.train.planning.estimate import estimate
from vl2.train.planning.jobs import job_of
from vl2.train.planning.layout import layout_of
from vl2.train.train_config import TrainConfig

ROOT = Path(__file__).parents[2]
RECIPES = {column: ROOT / "recipes" / column[0] / f"{column[1]}.yaml" for column in TABLE_2}
GPUS = {
    ("tiny", "align"): 8, ("tiny", "pretrain"): 128, ("tiny", "sft"): 8, ("small", "align"): 16,
    ("small", "pretrain"): 256, ("small", "sft"): 16, ("base", "align"): 32, ("base", "pretrain"): 336,
    ("base", "sft"): 32,
}  # fmt: skip
MAX_LINES = 80
COLUMNS = pytest.mark.parametrize("column", RECIPES, ids="-".join)


def load(column, *assignments: str) -> TrainConfig:
    return build(TrainConfig, override(load_yaml(RECIPES[column]), list(assignments)), thing=str(RECIPES[column]))


@COLUMNS
def test_a_recipe_is_its_column_of_the_table(column):
    config = load(column)
    assert (config.variant, config.stage) == column
    assert config.row == TABLE_2[column]
    assert config.steps == config.row.num_steps
    assert len(RECIPES[column].read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@COLUMNS
def test_the_layout_of_a_recipe_runs_and_fits(column):
    config = load(column)
    gpu = "a100" if column[1] == "pretrain" else "h100"
    job = job_of(config.row, gpu, visual_share=config.visual_share, most_tiles=config.pack_tiles)
    found = estimate(job, layout_of(config))
    assert found.layout.world_size == config.world_size == GPUS[column]
    assert found.fits
    # a pipeline's sequences are filled up with tiles, of which those of others have 7 to 12: time, and no true FLOPs
    assert found.mfu > (0.9 if config.pp == 1 else 0.8) * found.job.machine.attained


def test_stages_follow_each_other():
    for variant in ("tiny", "small", "base"):
        align, pretrain, sft = (load((variant, stage)) for stage in ("align", "pretrain", "sft"))
        assert pretrain.model == align.out
        assert sft.model == pretrain.out
        assert align.tokenizer == pretrain.tokenizer == sft.tokenizer


def test_pretraining_mixes_as_the_paper_does():
    for variant in ("tiny", "small", "base"):
        assert sorted(load((variant, "pretrain")).data.values()) == [0.3, 0.7]


def test_a_toy_changes_sizes_and_keeps_the_rules():
    config = load(
        ("base", "pretrain"), "batch_size=4", "num_steps=2", "sequence_length=64", "warmup_steps=1", "dp_shard=2",
        "pp=1", "tp=1", "schedule=1f1b", "chunks=1", "learning_rate=0.001",
    )  # fmt: skip
    assert (config.steps, config.num_microbatches, config.row.sequence_length) == (2, 2, 64)
    assert (config.row.learning_rate, config.row.warmup(2)) == (0.001, 1)
    assert (config.row.bias_step, config.row.aux_weight, config.row.schedule) == (1e-3, 1e-4, "step")


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("dp_shards=8", "Did you mean 'dp_shard'"), ("microbatch=3", "microbatch: does not divide the batch"),
        ("variant=large", "variant"), ("schedule=zb", "schedule"), ("dp_shard=0", "dp_shard: must be positive"),
        ("data={}", "data: needs records"), ("data={a: -1}", "positive shares"), ("precision=float16", "precision"),
    ],
)  # fmt: skip
def test_a_wrong_recipe_is_refused(assignment, words):
    with pytest.raises(ConfigError, match=words):
        load(("tiny", "sft"), assignment)
