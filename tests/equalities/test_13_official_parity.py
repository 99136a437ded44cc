"""Our outputs = the recorded outputs of the official code, stage by stage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vl2.core.errors import VL2Error
from vl2.evaluation.parity import ParityReport, run_parity
from vl2.weights import load_model, save_model

RECORDED = Path(__file__).parents[1] / "fixtures" / "parity"
NAMES = ("a_tiny_mha", "b_small_mla", "c_base_noaux", "d_qlora_yarn_group")
STAGES = {
    "tokenizer", "display form", "input ids", "labels", "labels, prompt masked", "image spans", "crops",
    "visual tokens", "pixels, sampled", "vision", "adaptor", "embeddings", "hidden states", "experts",
    "experts, sampled", "expert weights", "expert load", "logits", "last logits", "likeliest tokens", "loss",
    "greedy", "greedy, penalised", "greedy to the end", "greedy, chunked prefill", "logits of the last step",
    "decoded text", "collated input ids", "collated labels", "training: loss", "training: gradient norm",
    "training: gradient norms", "training: gradients, sampled",
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # small matrices: threads that wait for each other take longer
    yield
    torch.set_num_threads(threads)


def explain(report: ParityReport) -> str:
    return json.dumps({key: report.to_dict()[key] for key in ("failures", "forgotten")}, indent=1)


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_stage_agrees(name):
    report = run_parity(RECORDED / name)
    assert report.is_ok, explain(report)
    assert set(report.by_stage()) >= STAGES
    if name != "c_base_noaux":  # the reference cannot train with its balance loss there
        assert "training with balance loss: gradient norm" in report.by_stage()


@pytest.fixture
def text_only(tmp_path: Path) -> Path:
    """One case of one checkpoint, without the files that may be missing."""
    directory = Path(shutil.copytree(RECORDED / "b_small_mla", tmp_path / "b"))
    change(directory, lambda expected: expected.update(cases={"text_only": expected["cases"]["text_only"]}))
    tensors = load_file(directory / "expected.safetensors")
    save_file({k: t for k, t in tensors.items() if k.startswith("text_only.")}, directory / "expected.safetensors")
    return directory


def change(directory: Path, edit) -> None:
    file = directory / "expected.json"
    expected = json.loads(file.read_text(encoding="utf-8"))
    edit(expected)
    file.write_text(json.dumps(expected), encoding="utf-8")


def test_a_sharded_checkpoint_agrees_too(text_only):
    model = load_model(text_only / "checkpoint")
    (text_only / "checkpoint").rename(text_only / "whole")
    save_model(model, text_only / "checkpoint", max_shard_bytes=200_000, companions=text_only / "whole")
    report = run_parity(text_only)
    assert report.is_ok, explain(report)


def test_a_recorded_entry_that_nothing_compares_is_a_failure(text_only):
    change(text_only, lambda expected: expected["cases"]["text_only"].update(new_quantity=1.0))
    report = run_parity(text_only)
    assert report.forgotten == ("text_only.new_quantity",)
    assert not report.is_ok
    assert not report.failures


@pytest.mark.parametrize(
    ("edit", "stage"),
    [
        (lambda case: case["input_ids"].__setitem__(5, 0), "input ids"),
        (lambda case: case["greedy_24"][0].__setitem__(20, 0), "greedy"),
        (lambda case: case.update(eval_loss=case["eval_loss"] + 2e-4), "loss"),
        (lambda case: case["train_aux"].update(total_grad_norm=41.0), "training with balance loss: gradient norm"),
    ],
)
def test_a_difference_is_found(text_only, edit, stage):
    change(text_only, lambda expected: edit(expected["cases"]["text_only"]))
    report = run_parity(text_only)
    assert stage in {failure.stage for failure in report.failures}


def test_a_weight_that_differs_is_found(text_only):
    file = text_only / "checkpoint" / "model.safetensors"
    tensors = load_file(file)
    tensors["language.model.layers.1.mlp.gate.weight"] *= 1.01
    save_file(tensors, file)
    stages = {failure.stage for failure in run_parity(text_only).failures}
    assert {"hidden states", "expert weights", "logits", "training: gradient norms"} <= stages
    assert not stages & {"input ids", "embeddings"}


def test_a_directory_without_recordings_is_refused(tmp_path):
    with pytest.raises(VL2Error, match="cannot be read"):
        run_parity(tmp_path)
