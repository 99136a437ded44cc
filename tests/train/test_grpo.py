"""GRPO: advantages, ratios and divergence by hand, answers drawn by the very model that learns, and it learns."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file
from torch.nn.utils import parametrize

from vl2.cli.rollouts import answer_by_engine
from vl2.core.batch import IGNORE_INDEX
from vl2.core.errors import VL2Error
from vl2.engine.answer import generate
from vl2.engine.request import Request
from vl2.engine.sampler import SamplingSettings
from vl2.train.objective import score
from vl2.train.tuning.policy import advantages, token_losses
from vl2.train.tuning.policy_config import PolicyConfig
from vl2.train.tuning.policy_lesson import PolicyLesson
from vl2.train.tuning.policy_run import build_policy
from vl2.train.tuning.rollout import Ask, Rollout, seed_of, with_answer
from vl2.train.tuning.shared_sight import batch_of
from vl2.train.tuning.tuner import Tuner
from vl2.train.watch import SpikeGuard

NUM_PICTURES = 12
RATIOS = (0.8, 1.2)


@pytest.fixture(scope="module")
def squares(tmp_path_factory) -> Path:
    """Twelve pictures of a red square, asked for in a wording that pocket was not taught."""
    folder, lines = tmp_path_factory.mktemp("squares"), []
    for number in range(NUM_PICTURES):
        picture = Image.new("RGB", (96, 96), "white")
        left, top, side = 8 + 4 * number % 40, 40 - 3 * number, 24 + number
        ImageDraw.Draw(picture).rectangle((left, top, left + side, top + side), fill="red")
        picture.save(folder / f"{number}.png")
        box = [round(corner / 96 * 999) for corner in (left, top, left + side + 1, top + side + 1)]
        lines.append({
            "messages": [
                {"role": "user", "content": "<image>\n<|grounding|>the red square"},
                {"role": "assistant", "content": f"<|ref|>the red square<|/ref|><|det|>[{box}]<|/det|>"},
            ],
            "images": [f"{number}.png"],
        })  # fmt: skip
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return folder


def config(squares: Path, out: Path, **changed) -> PolicyConfig:
    settings = {"data": (str(squares / "rows.jsonl"),), "out": str(out), "rank": 2, "batch_size": 2, "group": 4,
                "epochs": 1.0, "eval_share": 0.34, "max_new_tokens": 24, "rewards": {"iou": 1.0}}  # fmt: skip
    return PolicyConfig(**{**settings, **changed})


def build(settings: PolicyConfig, rollout: Rollout = answer_by_engine) -> Tuner:
    return build_policy(settings, rollout)


def test_advantages_by_hand():
    rewards = torch.tensor([[0.0, 1.0, 0.5, 0.5], [2.0, 2.0, 2.0, 2.0]])
    assert advantages(rewards, by_spread=False).tolist() == [[-0.5, 0.5, 0.0, 0.0], [0.0] * 4]
    spread = math.sqrt((0.25 + 0.25) / 3)
    found = advantages(rewards, by_spread=True)
    assert found[0].tolist() == pytest.approx([-0.5 / spread, 0.5 / spread, 0, 0], rel=1e-3)
    assert found[1].tolist() == [0.0] * 4, "all alike: nothing to learn, and no division by nothing"


def test_the_losses_of_tokens_and_their_gradients_by_hand():
    old = torch.full((6,), -1.0, dtype=torch.float64)
    moved = [0.0, math.log(1.1), math.log(1.5), math.log(1.5), math.log(0.5), math.log(0.5)]
    worth = torch.tensor([2.0, 2.0, 2.0, -2.0, 2.0, -2.0], dtype=torch.float64)
    policy = (old + torch.tensor(moved, dtype=torch.float64)).requires_grad_()
    found = token_losses(policy, old, None, worth, ratios=RATIOS, kl_weight=0.0)
    assert found.loss.tolist() == pytest.approx([-2.0, -2.2, -2.4, 3.0, -1.0, 1.6])
    assert found.is_clipped.tolist() == [False, False, True, False, False, True]
    found.loss.sum().backward()
    # of a ratio: the ratio itself; nothing where the change went far enough already
    assert policy.grad.tolist() == pytest.approx([-2.0, -2.2, 0.0, 3.0, -1.0, 0.0])


def test_the_divergence_and_its_gradient_by_hand():
    policy = torch.tensor([-1.0, -2.0], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([-1.5, -2.0], dtype=torch.float64)
    worth = torch.zeros(2, dtype=torch.float64)
    found = token_losses(policy, policy.detach(), reference, worth, ratios=RATIOS, kl_weight=0.1)
    assert found.kl.tolist() == pytest.approx([math.exp(-0.5) + 0.5 - 1, 0.0])
    found.loss.sum().backward()
    assert policy.grad.tolist() == pytest.approx([0.1 * (1 - math.exp(-0.5)), 0.0])


def scripted(*answers: str) -> Rollout:
    """Return a rollout that says these, one after the other."""

    def answer(model, tokenizer, asked: Sequence[Ask]) -> list[tuple[int, ...]]:
        return [(*tokenizer.encode(answers[number % len(answers)]), tokenizer.eos_id) for number in range(len(asked))]

    return answer


@pytest.mark.parametrize("most", [4096, 1])
def test_a_step_is_the_weighted_likelihood_of_its_answers(most, squares, tmp_path):
    """By hand: of four answers one is right; all tokens of the step share one weight, and prompts learn nothing."""
    right = "<|ref|>the red square<|/ref|><|det|>[[0, 0, 999, 999]]<|/det|>"
    said = (right, "no", "no square here", "no")
    settings = config(squares, tmp_path / "run", batch_size=1, max_batch_tokens=most, kl_weight=0.0)
    lesson = build(settings, scripted(*said)).lesson
    learned = lesson.learn(0)
    found = [one.parameter.grad.clone() for one in lesson.tuned.moved]
    for one in lesson.tuned.moved:
        one.parameter.grad = None
    model, tokenizer = lesson.tuned.model, lesson.tuned.processor.tokenizer
    question = lesson.source.take(0, 1)[0]
    rows = [with_answer(question.prompt, (*tokenizer.encode(text), tokenizer.eos_id)) for text in said]
    rewards = torch.tensor([lesson.judges["iou"](text, question.truth) for text in said])
    assert rewards[0] > 0 and rewards[1:].tolist() == [0.0] * 3
    worth = rewards - rewards.mean()
    likely = torch.stack([score(model, batch_of(model, [row], 0)).logprobs.sum() for row in rows])
    num_tokens = sum(int((row.labels != IGNORE_INDEX).sum()) for row in rows)
    (-(worth * likely).sum() / num_tokens).backward()
    for ours, one in zip(found, lesson.tuned.moved, strict=True):
        assert torch.allclose(ours, one.parameter.grad, rtol=1e-3, atol=1e-6), one.name
    assert learned.measures["reward"] == pytest.approx(float(rewards.mean()))
    assert learned.measures["ended"] == 1.0 and learned.measures["kl"] == 0.0


def test_only_the_tokens_of_the_answer_are_supervised(squares, tmp_path):
    lesson = build(config(squares, tmp_path / "run")).lesson
    prompt = lesson.source.take(0, 1)[0].prompt
    row = with_answer(prompt, (5, 6, 7))
    assert row.labels[: len(prompt.input_ids)].unique().tolist() == [IGNORE_INDEX]
    assert row.labels[-3:].tolist() == row.input_ids[-3:].tolist() == [5, 6, 7]
    assert row.image_mask.sum() == prompt.image_mask.sum() and row.tiles is prompt.tiles
    whole = lesson.tuned.processor.decode(prompt.input_ids[~prompt.image_mask])
    assert whole.endswith("<|Assistant|>:") and "<|det|>" not in whole


def test_the_engine_draws_from_the_very_model_that_learns(squares, tmp_path):
    """What it drew with a moved adapter is as likely as the trainer says: no second copy, no other arithmetic."""
    lesson = build(config(squares, tmp_path / "run")).lesson
    torch.manual_seed(0)
    with torch.no_grad():
        for change in lesson.tuned.changes.values():
            change.up.normal_(std=0.02)
    model, tokenizer = lesson.tuned.model, lesson.tuned.processor.tokenizer
    prompts = [question.prompt for question in lesson.source.take(0, 2) for _ in range(4)]
    settings = [SamplingSettings(temperature=1.0, max_new_tokens=24, seed=n, top_logprobs=0) for n in range(8)]
    with parametrize.cached():
        drawn = generate(
            model, tokenizer, [Request(prompt=p, settings=s) for p, s in zip(prompts, settings, strict=True)]
        )
    rows = [with_answer(prompt, one.token_ids) for prompt, one in zip(prompts, drawn, strict=True)]
    ours = torch.cat(lesson._logprobs(rows))
    theirs = torch.tensor([token.logprob for one in drawn for token in one.logprobs])
    assert len({one.text for one in drawn}) > 2
    assert (ours - theirs).abs().max() < 1e-4
    asked = [
        Ask(prompt=p, temperature=1.0, max_new_tokens=24, seed=n) for n, p in enumerate(prompts)
    ]  # and the same again
    again = lesson._answers(asked)
    assert [tuple(t for t in one if t != tokenizer.eos_id) for one in again] == [one.token_ids for one in drawn]


def test_seeds_differ_by_round_and_answer():
    seeds = {seed_of(0, number, place) for number in range(20) for place in range(64)}
    assert len(seeds) == 20 * 64 and seed_of(0, 3, 5) == seed_of(0, 3, 5) and all(0 <= one < 2**63 for one in seeds)


def test_it_learns_what_is_rewarded(squares, tmp_path):
    settings = config(
        squares, tmp_path / "run", rank=4, batch_size=4, group=6, epochs=2.0, learning_rate=2e-3, temperature=0.9,
        eval_every=4, kl_weight=0.0,
    )  # fmt: skip
    tuner, rewards = build(settings), []
    before = tuner.lesson.look()
    tuner.run(lambda figures: rewards.append(figures.others["reward"]))
    assert len(rewards) == 4
    assert sum(rewards[1:]) / 3 > rewards[0] + 0.1
    assert tuner.standing.best_score > before.score + 0.1


@pytest.mark.parametrize("changed", [{}, {"updates": 2, "bits": 8}])
def test_a_stopped_run_goes_on_as_if_there_had_been_no_stop(changed, squares, tmp_path):
    settings = {"eval_every": 1, "max_new_tokens": 8, "batch_size": 4, "group": 2, **changed}
    build(config(squares, tmp_path / "whole", **settings)).run()

    class StoppedError(Exception):
        pass

    def stop(figures):
        if figures.step == len(changed) + 1:  # with two updates in the middle of a round
            raise StoppedError

    with pytest.raises(StoppedError):
        build(config(squares, tmp_path / "stopped", **settings)).run(stop)
    build(config(squares, tmp_path / "stopped", **settings)).run()
    ours, theirs = (load_file(tmp_path / name / "checkpoint" / "state.safetensors") for name in ("stopped", "whole"))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_what_punishes_hard_is_no_spike():
    guard = SpikeGuard(PolicyLesson.spikes)
    assert [guard.judge(loss, 1.0) for loss in (*[0.0] * 40, 4.2, -3.0)] == ["apply"] * 42
    assert guard.judge(float("nan"), 1.0) == "skip"


def test_several_rewards_are_weighed(squares, tmp_path):
    settings = config(squares, tmp_path / "run", rewards={"format": 0.5, "answer": 2.0}, pattern="no*")
    measures = build(settings, scripted("no", "yes", "no.", "maybe")).lesson.learn(0).measures
    assert measures["format"] == 0.5 and measures["answer"] == 0.0 and measures["reward"] == 0.25


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"rewards": {}}, "nothing is rewarded.*iou"),
        ({"rewards": {"iuo": 1.0}}, "Did you mean 'iou'"),
        ({"group": 1}, "an answer needs siblings"),
        ({"temperature": 0.0}, "temperature: must be positive"),
        ({"lowest_ratio": 1.5}, "the ratios must lie around 1"),
        ({"kl_weight": -0.1}, "kl_weight: must not be negative"),
        ({"rank": 0}, "rank: must be positive"),
    ],
)
def test_wrong_settings_are_one_line(changed, words, squares, tmp_path):
    with pytest.raises(VL2Error, match=words):
        build(config(squares, tmp_path / "run", **changed))
