"""What is written trains: a step of pocket through the stream of training, the same from every format."""

from __future__ import annotations

import pytest
import torch

from tests.corpus.run.sources import NUM_DRAWN, recipe_of, silent
from vl2.corpus.pocket.vocabulary import build_processor
from vl2.corpus.run import run_recipe
from vl2.corpus.run_local import LocalExecutor
from vl2.corpus.write import FORMATS
from vl2.data.packing import PackLimits
from vl2.data.records import open_records
from vl2.data.stream import Source, StreamSettings, TrainingStream
from vl2.model import PRESETS, VL2
from vl2.train.objective import learn

SETTINGS = StreamSettings(
    rows_per_step=1, num_lanes=1, limits=PackLimits(tokens=1024, tiles=40), num_waiting=NUM_DRAWN, num_workers=0
)
RATE = 0.05


@pytest.fixture(scope="module")
def out(sources, tmp_path_factory):
    recipe = recipe_of(sources[:1], tmp_path_factory.mktemp("trained") / "run", steps=(), write=tuple(FORMATS))
    return run_recipe(recipe, LocalExecutor(), silent)


@pytest.fixture(scope="module")
def losses(out):
    """Return the loss of the first step and of the same rows after it, of each format."""
    return {name: step_on(out / name) for name in FORMATS}


def step_on(folder) -> tuple[float, float]:
    processor = build_processor()
    source = Source(name="written", share=1, records=open_records(str(folder)))
    with TrainingStream([source], processor, SETTINGS) as stream:
        step = next(stream)
        assert not stream.skipped
    assert len(step.ids[0]) > 1 and step.num_tiles[0] > 0
    torch.manual_seed(0)
    model = VL2(PRESETS["pocket"])
    optimizer = torch.optim.SGD(model.parameters(), RATE)
    loss = loss_of(model, step)
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        return float(loss), float(loss_of(model, step))


def loss_of(model, step):
    (batch,) = step.batches
    learned = learn(model, batch)
    return learned.loss(learned.num_tokens, aux_weight=0.0)


@pytest.mark.parametrize("name", FORMATS)
def test_a_step_on_it_learns(losses, name):
    before, after = losses[name]
    assert after < before
    if name != "parquet":  # its rows come by groups, and so in another order
        assert before == losses["jsonl"][0]
