"""A recipe is read strictly, and refused before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from vl2.core.errors import ConfigError
from vl2.corpus.filters.limits import MOST
from vl2.corpus.recipe import load_recipe, stages_of
from vl2.corpus.steps import Limits

RECIPES = Path(__file__).parents[3] / "recipes" / "corpus"
GOOD = {"out": "run", "sources": [{"name": "a", "path": "a.jsonl"}], "steps": [{"use": "length"}]}


def load(tmp_path, **changes):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}), encoding="utf-8")
    return load_recipe(path)


def test_a_recipe_is_read(tmp_path):
    recipe = load(tmp_path, steps=[{"use": "length"}, {"use": "decide", "most": {"length.turns": 3}}], seed=3)
    assert (recipe.sources[0].licence, recipe.write, recipe.seed) == ("unknown", ("webdataset",), 3)
    (stage,) = stages_of(recipe)
    assert [step.name for step in stage.build_steps()] == ["length", "decide"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stepz": []}, "unknown field 'stepz'"),
        ({"sources": []}, "no sources"),
        ({"sources": ["a.jsonl"]}, "sources: not a mapping"),
        ({"sources": [{"name": "a", "path": "a", "license": "MIT"}]}, "Did you mean 'licence'"),
        ({"sources": [{"name": "a", "path": "a"}, {"name": "a", "path": "b"}]}, "two sources have one name"),
        ({"steps": [{"use": "lenght"}]}, "Did you mean 'length'"),
        ({"steps": [{"most": {}}]}, "names no step"),
        ({"steps": [{"use": "length", "most": 1}]}, "unknown field 'most'"),
        ({"steps": [{"use": "decide", "most": {"length.turns": 3}}]}, "which no step before it computes"),
        ({"steps": [{"use": "length"}, {"use": "decide", "most": {"length.turn": 3}}]}, "Did you mean 'length.turns'"),
        ({"write": ["webdatset"]}, "Did you mean 'webdataset'"),
        ({"block_rows": 0}, "block_rows is too small"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, **changes)


def test_the_fingerprint_is_of_all_but_the_folder(tmp_path):
    recipe = load(tmp_path)
    assert load(tmp_path, out="elsewhere").fingerprint() == recipe.fingerprint()
    assert load(tmp_path, seed=1).fingerprint() != recipe.fingerprint()


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_our_recipes_are_valid_and_keep_to_the_limits(path):
    stages = stages_of(load_recipe(path))
    limits = [settings for stage in stages for _, settings in stage.steps if isinstance(settings, Limits)]
    named = [(name, limit.most[name]) for limit in limits for name in MOST if name in limit.most]
    assert named and set(named) <= MOST.items()  # prose has them all; readings and code end as they like
