"""Over Ray a run gives the bytes of a local one, also when a node of its cluster is lost.

VL2_KILLS=2 runs what needs a cluster; equality 12 runs always.
"""

from __future__ import annotations

import os
import time

import pytest
from typer.testing import CliRunner

from tests.corpus.run.sources import contents
from tests.corpus.run.test_run import recipe_in, run
from vl2.cli import app
from vl2.core.errors import ConfigError, VL2Error
from vl2.corpus import run_ray
from vl2.corpus.run import run_recipe
from vl2.corpus.run_ray import RETRIES, RayExecutor

ray = pytest.importorskip("ray", reason="Ray is not installed")
SMALL = {"num_cpus": 1, "object_store_memory": 100_000_000}
FAST = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 200, "health_check_failure_threshold": 3}
SWEEPS = int(os.environ.get("VL2_KILLS", "1")) > 1


@pytest.fixture(scope="module")
def cluster():
    """Return a cluster of two nodes of one core each."""
    from ray.cluster_utils import Cluster

    if not SWEEPS:
        pytest.skip("a minute with a cluster of its own: set VL2_KILLS=2 or more")
    found = Cluster(initialize_head=True, head_node_args={**SMALL, "_system_config": FAST, "include_dashboard": False})
    yield found
    found.shutdown()


def test_a_lost_node_costs_at_most_the_block_that_it_was_at(cluster, tmp_path):
    def meet(block: int) -> int:
        (tmp_path / ray.get_runtime_context().get_node_id()).mkdir(exist_ok=True)
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.02)
        return block

    def work(block: int) -> int:
        (tmp_path / ray.get_runtime_context().get_node_id() / str(block)).touch(exist_ok=False)
        time.sleep(0.3)
        return block

    lost, found = cluster.add_node(**SMALL), []
    with RayExecutor(2, cluster.address) as executor:
        assert sorted(executor.run(meet, range(2))) == [0, 1]  # both nodes have a process that is ready
        for block in executor.run(work, range(12)):
            found.append(block)
            if len(found) == 5:
                cluster.remove_node(lost, allow_graceful=False)
    assert sorted(found) == list(range(12))
    begun = {folder.name: {int(path.name) for path in folder.iterdir()} for folder in tmp_path.iterdir()}
    (others,) = (blocks for node, blocks in begun.items() if node != lost.node_id)
    assert len(begun[lost.node_id]) >= 2  # it had its part before it was lost
    assert begun[lost.node_id] | others == set(range(12))
    assert len(begun[lost.node_id] & others) <= 1


def test_a_run_survives_the_loss_of_a_node(cluster, sources, tmp_path):
    recipe = recipe_in(tmp_path / "ray", sources)
    lost, num_shown = cluster.add_node(**SMALL), 0

    def show(progress):
        nonlocal num_shown
        num_shown += 1
        if num_shown == 4:
            cluster.remove_node(lost, allow_graceful=False)

    with RayExecutor(2, cluster.address) as executor:
        out = run_recipe(recipe, executor, show)
    assert num_shown > 30
    assert contents(out) == contents(run(recipe_in(tmp_path / "local", sources)))


def test_what_a_block_raises_is_told_as_it_is(cluster):
    def broken(block: int) -> int:
        raise ConfigError("a recipe", "is wrong")

    def deadly(block: int) -> int:
        os._exit(9)

    with RayExecutor(1, cluster.address) as executor:
        with pytest.raises(ConfigError, match=r"^a recipe: is wrong\.$"):
            list(executor.run(broken, range(3)))
        with pytest.raises(VL2Error, match=f"a block was lost {RETRIES + 1} times"):
            list(executor.run(deadly, range(1)))


def test_a_node_without_the_folder_says_so(tmp_path):
    with pytest.raises(VL2Error, match="is not there on a node of the cluster"):
        run_ray._do(abs, 1, str(tmp_path / "gone"))


def test_no_workers_and_an_address_for_the_other_executor_are_refused(sources, tmp_path):
    with pytest.raises(ConfigError, match="too few"):
        RayExecutor(0)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"out: {tmp_path}/run\nsources: [{{name: a, path: {sources[0].path}}}]\n", encoding="utf-8")
    told = CliRunner().invoke(app, ["corpus", "run", str(recipe), "--ray-address", "10.0.0.1:6379"])
    assert told.exit_code == 2 and "Add --executor ray." in told.stderr
    assert not (tmp_path / "run").exists()
