"""DPO: the loss and its gradient by hand, pairs from every form, the reference at no memory, and it learns."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from vl2.core.batch import IGNORE_INDEX
from vl2.core.errors import ConfigError, VL2Error
from vl2.data.faults import Fault
from vl2.train.objective import score
from vl2.train.tuning.pairs import PairList
from vl2.train.tuning.preference import Endings, drift, margins, preference_loss
from vl2.train.tuning.preference_config import PreferenceConfig
from vl2.train.tuning.preference_run import build_preference
from vl2.train.tuning.shared_sight import batch_of
from vl2.train.tuning.tuner import Tuner

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
BETA = 0.1


def row(colour: str) -> dict:
    """Return a question after a colour whose wordy answer is preferred."""
    return {
        "messages": [
            {"role": "user", "content": "<image>\nWhat colour is the square?"},
            {"role": "assistant", "content": f"The square is {colour}."},
        ],
        "images": [f"{colour}.png"],
        "rejected": colour.capitalize(),
    }


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    for colour in COLOURS:
        Image.new("RGB", (64, 64), colour).save(folder / f"{colour}.png")
    lines = [json.dumps(row(colour)) for colour in COLOURS * 2]
    (folder / "pairs.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def config(pairs: Path, out: Path, **changed) -> PreferenceConfig:
    settings = {"data": (str(pairs / "pairs.jsonl"),), "out": str(out), "rank": 2, "batch_size": 3, "epochs": 1.0,
                "eval_share": 0.25, "eval_every": 2}  # fmt: skip
    return PreferenceConfig(**{**settings, **changed})


def run(settings: PreferenceConfig) -> Tuner:
    tuner = build_preference(settings)
    tuner.run()
    return tuner


def endings(*numbers: float) -> Endings:
    chosen, rejected = torch.tensor(numbers, dtype=torch.float64).view(2, -1)
    return Endings(chosen=nn.Parameter(chosen), rejected=nn.Parameter(rejected))


def test_the_loss_and_its_gradient_by_hand():
    policy, reference = endings(-2.0, -7.0, -3.0, -5.0), endings(-2.5, -6.0, -2.0, -5.5)
    # (policy - reference) of the chosen, less that of the rejected
    leads = [(0.5) - (-1.0), (-1.0) - (0.5)]
    expected = [-math.log(1 / (1 + math.exp(-BETA * lead))) for lead in leads]
    loss = preference_loss(policy, reference, BETA)
    assert loss.item() == pytest.approx(sum(expected), abs=1e-12)
    assert margins(policy, reference, BETA).tolist() == pytest.approx([BETA * lead for lead in leads])
    loss.backward()
    pull = [BETA / (1 + math.exp(BETA * lead)) for lead in leads]
    assert policy.chosen.grad.tolist() == pytest.approx([-one for one in pull], abs=1e-12)
    assert policy.rejected.grad.tolist() == pytest.approx(pull, abs=1e-12)


def test_drift_is_nothing_at_home_and_its_mean_over_draws_is_the_divergence():
    torch.manual_seed(0)
    policy, reference = torch.randn(5).log_softmax(0), torch.randn(5).log_softmax(0)
    assert float(drift(policy, policy).abs().max()) == 0
    kl = float((policy.exp() * (policy - reference)).sum())
    assert float((policy.exp() * drift(policy, reference)).sum()) == pytest.approx(kl, rel=1e-5)


def test_a_step_descends_the_loss_of_its_pairs(pairs, tmp_path):
    lesson = build_preference(config(pairs, tmp_path / "run")).lesson
    learned = lesson.learn(0)
    assert learned.measures["loss"] == pytest.approx(math.log(2), abs=1e-5), "the policy is the reference"
    assert learned.measures["margin"] == pytest.approx(0, abs=1e-5) and learned.measures["drift"] < 1e-9
    # by hand: at the start each pair pulls its chosen answer up, and its rejected one down, with beta / 2
    taken = lesson.source.take(0, 3)
    model, pad_id = lesson.tuned.model, lesson.tuned.processor.pad_id
    found = [one.parameter.grad.clone() for one in lesson.tuned.moved]
    for one in lesson.tuned.moved:
        one.parameter.grad = None
    for pair in taken:
        up, down = (score(model, batch_of(model, [end], pad_id)).logprobs.sum() for end in (pair.chosen, pair.rejected))
        (BETA / 2 * (down - up) / 3).backward()
    for ours, one in zip(found, lesson.tuned.moved, strict=True):
        assert torch.allclose(ours, one.parameter.grad, rtol=1e-3, atol=1e-6), one.name


def test_small_batches_are_the_same_step(pairs, tmp_path):
    grads = []
    for most in (4096, 1):
        lesson = build_preference(config(pairs, tmp_path / "run", max_batch_tokens=most, sft_weight=0.5)).lesson
        grads.append((lesson.learn(0).measures, [one.parameter.grad for one in lesson.tuned.moved]))
    assert grads[0][0] == pytest.approx(grads[1][0], abs=1e-5)
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-6) for a, b in zip(grads[0][1], grads[1][1], strict=True))


def test_the_reference_is_the_model_without_its_adapter(pairs, tmp_path):
    tuned = build_preference(config(pairs, tmp_path / "run")).tuned
    pair = build_preference(config(pairs, tmp_path / "run")).lesson.source.take(0, 1)[0]
    batch = batch_of(tuned.model, [pair.chosen], tuned.processor.pad_id)
    with torch.no_grad():
        before = score(tuned.model, batch).logprobs
        for change in tuned.changes.values():
            change.up.fill_(0.01)
        moved = score(tuned.model, batch).logprobs
        with tuned.without_adapter():
            assert torch.equal(score(tuned.model, batch).logprobs, before)
        assert torch.equal(score(tuned.model, batch).logprobs, moved) and not torch.equal(moved, before)


def test_it_learns_to_prefer_on_pairs_that_it_has_not_seen(pairs, tmp_path):
    tuner = build_preference(config(pairs, tmp_path / "run", rank=4, epochs=6.0, learning_rate=2e-3, eval_every=6))
    before = tuner.lesson.look().measures
    looks = []
    tuner.run(lambda step: looks.append({"loss": step.eval_loss, **step.held_out}) if step.held_out else None)
    best = min(looks, key=lambda look: look["loss"])
    assert before["accuracy"] == 0 and before["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert best["accuracy"] == 1.0 and best["margin"] > 0.5 and best["loss"] < 0.5
    assert best["chosen"] > best["rejected"]


@pytest.mark.parametrize("changed", [{}, {"bits": 4, "per_token": True, "sft_weight": 0.1}])
def test_a_stopped_run_goes_on_as_if_there_had_been_no_stop(changed, pairs, tmp_path):
    run(config(pairs, tmp_path / "whole", **changed))

    class StoppedError(Exception):
        pass

    def stop(figures):
        if figures.step == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        build_preference(config(pairs, tmp_path / "stopped", **changed)).run(stop)
    run(config(pairs, tmp_path / "stopped", **changed))
    ours, theirs = (load_file(tmp_path / name / "checkpoint" / "state.safetensors") for name in ("stopped", "whole"))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_forms_of_a_pair(pairs, tmp_path):
    ours = row("red")
    swift = {**{name: value for name, value in ours.items() if name != "rejected"}, "rejected_response": "Red"}
    llava = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes"}], "rejected": "No"}
    none = {name: value for name, value in ours.items() if name != "rejected"}
    places = {**ours, "rejected": "<bbox>"}
    path = pairs / "forms.jsonl"
    path.write_text("\n".join(map(json.dumps, (ours, swift, llava, none, places, []))) + "\n", encoding="utf-8")
    found = PairList([str(path)])
    assert len(found) == 6
    assert found[0].rejected == replace(found[1].rejected, id=found[0].chosen.id)
    assert [message.role for message in found[2].rejected.messages] == ["user", "assistant"]
    assert isinstance(found[3], Fault) and found[3].reason == "no rejected answer in it"
    assert isinstance(found[4], Fault) and "places for boxes" in found[4].reason
    assert isinstance(found[5], Fault)
    with pytest.raises(VL2Error, match="no records here"):
        PairList([str(tmp_path / "nothing.jsonl")])


def test_a_pair_of_the_same_answers_is_left_out(pairs, tmp_path):
    told = {**row("red"), "rejected": "The square is red."}
    path = pairs / "same.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in (told, row("red"), row("blue"))) + "\n", encoding="utf-8")
    lesson = build_preference(config(pairs, tmp_path / "run", eval_data=(str(path),))).lesson
    assert len(lesson.held_out) == 2


def test_only_the_last_answer_is_judged_and_pictures_are_seen_once(tmp_path, pairs):
    told = row("red")
    first = [{"role": "user", "content": "<image>\nHello."}, {"role": "assistant", "content": "Hello."}]
    told["messages"] = [*first, {"role": "user", "content": "What colour?"}, told["messages"][1]]
    path = pairs / "turns.jsonl"
    path.write_text("\n".join([json.dumps(told)] * 4) + "\n", encoding="utf-8")
    lesson = build_preference(config(pairs, tmp_path / "run", data=(str(path),))).lesson
    pair, tokenizer = lesson.source.take(0, 1)[0], lesson.tuned.processor.tokenizer
    said = [tokenizer.decode(end.labels[end.labels != IGNORE_INDEX].tolist()) for end in (pair.chosen, pair.rejected)]
    assert said[0].startswith("The square is red.") and said[1].startswith("Red") and "Hello" not in said[0]
    assert pair.chosen.tiles is pair.rejected.tiles
    seen = []
    model = lesson.tuned.model
    whole = model.encode_tiles
    model.encode_tiles = lambda tiles, grids: seen.append(len(tiles)) or whole(tiles, grids)
    together = score(model, batch_of(model, [pair.chosen, pair.rejected], 0)).by_row(2)
    alone = [score(model, batch_of(model, [end], 0)).by_row(1) for end in (pair.chosen, pair.rejected)]
    assert seen == [len(pair.chosen.tiles)] * 3
    assert torch.allclose(together, torch.cat(alone), atol=1e-4)


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"beta": 0.0}, "beta: must be positive"),
        ({"sft_weight": -1.0}, "must not be negative"),
        ({"rank": 0}, "The model without its adapter is what it is compared with"),
        ({"eval_share": 0.01}, "leaves no sample to look at"),
    ],
)
def test_wrong_settings_are_one_line(changed, words, pairs, tmp_path):
    with pytest.raises(ConfigError, match=words):
        build_preference(config(pairs, tmp_path / "run", **changed))
