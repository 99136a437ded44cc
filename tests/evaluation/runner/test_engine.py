"""Our engine says the same however many answers it computes side by side, and however prompts are cut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import vl2
from tests.evaluation.runner import toy
from vl2.engine.assistant import Assistant
from vl2.evaluation.answerers.answerer import Identity
from vl2.evaluation.answerers.engine import EngineAnswerer, fingerprint_of, identity_of
from vl2.evaluation.results import Results
from vl2.evaluation.runner import run_job
from vl2.weights import find_checkpoint

NUM_ROWS = 24


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.write_rows(tmp_path_factory.mktemp("rows"), NUM_ROWS)


@pytest.fixture(scope="module")
def assistant() -> Assistant:
    return vl2.load(dtype="float32")  # in bfloat16 near-ties fall as the order of sums does, which is by the clock


@pytest.fixture(scope="module")
def identity(assistant: Assistant) -> Identity:
    return identity_of(assistant, "pocket", find_checkpoint("pocket"), activated_parameters=1)


def answered(assistant: Assistant, identity: Identity, rows: Path, out: Path, **how: int) -> Results:
    answerer = EngineAnswerer(assistant, identity, **how)
    try:
        results = run_job(toy.job(rows), answerer, out)
    finally:
        answerer.close()
    assert results is not None
    return results


@pytest.fixture(scope="module")
def alone(assistant: Assistant, identity: Identity, drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    return answered(assistant, identity, drawn, tmp_path_factory.mktemp("alone"), max_running=1)


def test_pocket_can_read_some_of_it(alone: Results):
    assert alone.summary.num_rows == NUM_ROWS
    assert 20 < alone.summary.score < 100
    assert alone.summary.errors == 0
    assert {part.name for part in alone.summary.parts["category"]} == set(toy.FAMILIES)


@pytest.mark.parametrize(
    "how", [{"max_running": 16}, {"max_running": 16, "step_tokens": 48}, {"max_running": 1, "step_tokens": 64}]
)
def test_answers_do_not_depend_on_how_they_are_computed(how, alone, assistant, identity, drawn, tmp_path):
    assert answered(assistant, identity, drawn, tmp_path, **how) == alone


def test_broken_and_missing_images_are_errors_of_their_rows(assistant, identity, tmp_path):
    rows = toy.write_rows(tmp_path / "rows", 6)
    (rows / "1.png").write_bytes(b"no image")
    (rows / "4.png").unlink()
    results = answered(assistant, identity, rows, tmp_path / "out", max_running=4)
    assert {line.id for line in results.lines if line.state == "error"} == {"1", "4"}
    toy.write_rows(tmp_path / "rows", 6)
    again = answered(assistant, identity, rows, tmp_path / "out", max_running=4)
    assert again.summary.errors == 0


def test_the_fingerprint_is_that_of_the_weights(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(bytes(1000))
    before = fingerprint_of(tmp_path)
    (tmp_path / "README.md").write_text("changes nothing")
    assert fingerprint_of(tmp_path) == before
    (tmp_path / "model.safetensors").write_bytes(bytes(999) + b"\1")
    assert fingerprint_of(tmp_path) != before


def test_more_tiles_than_the_model_has_by_itself(assistant, identity, drawn, tmp_path):
    """InfoVQA is asked with up to 18 tiles an image (paper, section 5.1)."""
    from dataclasses import replace

    rule = replace(toy.TASK.profiles["vlmevalkit"], max_tiles=18)
    job = replace(toy.job(drawn, limit=4), task=replace(toy.TASK, profiles={"vlmevalkit": rule}))
    answerer: Iterator = EngineAnswerer(assistant, identity)
    results = run_job(job, answerer, tmp_path)
    answerer.close()
    assert results.summary.errors == 0
