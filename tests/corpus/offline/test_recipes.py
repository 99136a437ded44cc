"""The recipes of the offline corpus: short, in an order that works, and every package told of in the README."""

from __future__ import annotations

from pathlib import Path

import pytest

from vl2.corpus.run_all import load_all

ROOT = Path(__file__).parents[3]
RECIPES = ROOT / "recipes" / "offline"
MOST_LINES = 80


def test_every_recipe_comes_after_those_that_it_reads():
    names = list(load_all(RECIPES))
    assert names[-1] == "mixture" and names.index("scenes") < names.index("grounding")
    assert all(len((RECIPES / f"{name}.yaml").read_text(encoding="utf-8").splitlines()) <= MOST_LINES for name in names)


def test_the_mixture_takes_every_task():
    recipes = load_all(RECIPES)
    taken = {Path(source.path).parts[2] for source in recipes["mixture"].sources}
    assert set(recipes) - taken == {"mixture", "scenes", "screens"}  # pictures that others ask about


@pytest.mark.parametrize("kind", ["debian", "npm"])
def test_the_readme_names_every_package(kind):
    told = (ROOT / "README.md").read_text(encoding="utf-8").split()
    assert not [name for name in (RECIPES / f"{kind}.txt").read_text(encoding="utf-8").split() if name not in told]
