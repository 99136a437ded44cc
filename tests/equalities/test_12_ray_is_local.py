"""Equality 12: Ray = local. Manifests, shards and everything else that a corpus run leaves are the same bytes."""

from __future__ import annotations

import pytest

from tests.corpus.run.sources import contents, silent, write_sources
from tests.corpus.run.test_run import recipe_in, run
from vl2.corpus.run import run_recipe
from vl2.corpus.run_ray import RayExecutor

pytest.importorskip("ray", reason="Ray is not installed: pip install -c constraints.txt 'ray[data]'")


def test_ray_is_local(tmp_path):
    sources = write_sources(tmp_path / "sources")
    with RayExecutor(2) as executor:
        over_ray = contents(run_recipe(recipe_in(tmp_path / "ray", sources), executor, silent))
    here = contents(run(recipe_in(tmp_path / "local", sources)))
    assert len([name for name in here if name.endswith("manifest.jsonl")]) > 3
    assert over_ray == here
