"""Measure what pocket learns from preferences (DPO) and from rewards (GRPO) on drawn pictures, on a CPU.

dpo: boxes whose label has no article are preferred to the same boxes with one. Held-out pairs before and after, the
labels that pocket then writes, and the IoU of its boxes.
grpo: boxes are asked for in a wording that pocket was not taught, and rewarded by IoU. The IoU of the likeliest answers
to held-out questions before and after, and to the usual wording. All means come with their standard errors.
Usage: `python bench/preferences.py dpo|grpo --out FOLDER [--set learning_rate=1e-3]`
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from vl2.cli.rollouts import answer_by_engine
from vl2.core.sample import BoxesPart, ImagePart, ImageSource, Message, Sample, TextPart, sample_to_dict
from vl2.core.settings import build, override
from vl2.corpus.pocket import draw
from vl2.train.tuning.policy_config import PolicyConfig
from vl2.train.tuning.policy_lesson import PolicyLesson
from vl2.train.tuning.policy_run import build_policy
from vl2.train.tuning.preference_config import PreferenceConfig
from vl2.train.tuning.preference_run import build_preference
from vl2.train.tuning.rewards import iou_reward, truth_of
from vl2.train.tuning.rewards.truth import text_of
from vl2.train.tuning.rollout import Ask, QuestionReader
from vl2.train.tuning.tuned import Tuned
from vl2.train.watch import StepFigures

TRAIN_SEED, HELD_OUT_SEED = 101, 202
NUM_TRAIN, NUM_HELD_OUT = 400, 128
ARTICLE = "the "
USUAL, NEW = "<|ref|>{}<|/ref|>", "<|grounding|>{}"  # how boxes are asked for


def drawn(task: str, seed: int, count: int, folder: Path) -> list[Sample]:
    """Return drawn samples of one turn, their pictures in files of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Sample] = []
    for index in range(count):
        sample = draw(task, "heldout", seed, index)
        path = folder / f"{sample.id}.png"
        path.write_bytes(sample.images[0].data or b"")
        found.append(replace(sample, images=(ImageSource(path=str(path.resolve())),)))
    return found


def asked_for_boxes(samples: Sequence[Sample], wording: str) -> list[Sample]:
    """Return the samples that have boxes, asked for in a wording."""
    found: list[Sample] = []
    for sample in samples:
        answer = sample.messages[-1].parts[0]
        if isinstance(answer, BoxesPart):
            question = Message("user", (ImagePart(), TextPart("\n" + wording.format(answer.label))))
            found.append(replace(sample, messages=(question, sample.messages[-1]), objects=()))
    return found


def write_samples(path: Path, samples: Sequence[Sample]) -> str:
    """Write samples as lines; returns the path."""
    path.write_text("\n".join(json.dumps(sample_to_dict(sample)) for sample in samples) + "\n", encoding="utf-8")
    return str(path)


def write_pairs(path: Path, samples: Sequence[Sample]) -> str:
    """Write each sample with its label without an article, chosen, and as it is, rejected; returns the path."""
    lines: list[str] = []
    for sample in samples:
        bare = replace(sample, messages=(sample.messages[0], Message("assistant", (without_article(sample),))))
        lines.append(json.dumps({**sample_to_dict(bare), "rejected": text_of(sample.messages[-1])}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def without_article(sample: Sample) -> BoxesPart:
    """Return the boxes of a sample, their label without an article."""
    boxes = sample.messages[-1].parts[0]
    assert isinstance(boxes, BoxesPart)
    return replace(boxes, label=boxes.label.removeprefix(ARTICLE))


def answers(tuned: Tuned, samples: Sequence[Sample]) -> list[str]:
    """Return the likeliest answers."""
    reader = QuestionReader(samples=samples, processor=tuned.processor, max_tokens=tuned.context_size)
    asked: list[Ask] = []
    for row in range(len(samples)):
        question = reader(row, None)
        asked.append(Ask(prompt=question.prompt, temperature=0.0, max_new_tokens=64, seed=0))  # type: ignore[union-attr]
    tokenizer = tuned.processor.tokenizer
    with torch.no_grad(), torch.nn.utils.parametrize.cached():
        found = answer_by_engine(tuned.model, tokenizer, asked)
    return [tokenizer.decode(token for token in one if token != tokenizer.eos_id) for one in found]


def earned(said: Sequence[str], samples: Sequence[Sample]) -> torch.Tensor:
    """Return the IoU of each answer, articles aside."""
    found: list[float] = []
    for text, sample in zip(said, samples, strict=True):
        truth = truth_of(replace(sample, messages=(Message("assistant", (without_article(sample),)),)))
        found.append(iou_reward(text.replace(f"<|ref|>{ARTICLE}", "<|ref|>"), truth))
    return torch.tensor(found)


def mean_and_error(values: torch.Tensor) -> list[float]:
    """Return a mean and its standard error."""
    return [round(float(values.mean()), 4), round(float(values.std()) / len(values) ** 0.5, 4)]


def measure_grpo(out: Path, assignments: list[str]) -> dict[str, Any]:
    """Run GRPO and return its figures."""
    train = asked_for_boxes(drawn("ground", TRAIN_SEED, NUM_TRAIN, out / "pictures"), NEW)
    scenes = drawn("ground", HELD_OUT_SEED, NUM_HELD_OUT * 2, out / "pictures")
    held_out, usual = (asked_for_boxes(scenes, wording)[:NUM_HELD_OUT] for wording in (NEW, USUAL))
    values = {
        "data": (write_samples(out / "train.jsonl", train),), "out": str(out / "run"), "rewards": {"iou": 1.0},
        "eval_data": (write_samples(out / "looked_at.jsonl", held_out[:40]),), "epochs": 0.64,
        "max_new_tokens": 64, "learning_rate": 5e-4, "eval_every": 8,
    }  # fmt: skip
    tuner = build_policy(build(PolicyConfig, override(values, assignments), thing="grpo"), answer_by_engine)
    assert isinstance(tuner.lesson, PolicyLesson)
    before, usual_before = (earned(answers(tuner.tuned, asked), asked) for asked in (held_out, usual))
    began = time.monotonic()
    tuner.run(show)
    seconds = time.monotonic() - began
    after, usual_after = (earned(answers(tuner.tuned, asked), asked) for asked in (held_out, usual))
    return {
        "steps": tuner.num_steps, "seconds": round(seconds), "held_out": len(held_out),
        "iou_before": mean_and_error(before), "iou_after": mean_and_error(after),
        "rise": mean_and_error(after - before), "usual_wording_before": mean_and_error(usual_before),
        "usual_wording_after": mean_and_error(usual_after),
    }  # fmt: skip


def measure_dpo(out: Path, assignments: list[str]) -> dict[str, Any]:
    """Run DPO and return its figures."""
    train, held_out = (
        [
            sample
            for sample in asked_for_boxes(drawn("ground", seed, count, out / "pictures"), USUAL)
            if has_article(sample)
        ]
        for seed, count in ((TRAIN_SEED, NUM_TRAIN), (HELD_OUT_SEED, NUM_HELD_OUT * 2))
    )
    held_out = held_out[:NUM_HELD_OUT]
    values = {
        "data": (write_pairs(out / "train.jsonl", train),), "out": str(out / "run"),
        "eval_data": (write_pairs(out / "held_out.jsonl", held_out),), "epochs": 1.0, "eval_every": 7,
        "sft_weight": 1.0, "beta": 0.3, "parts": ("attention", "mlp", "experts"),
    }  # fmt: skip
    tuner = build_preference(build(PreferenceConfig, override(values, assignments), thing="dpo"))
    before, said_before = tuner.lesson.look().measures, answers(tuner.tuned, held_out)
    began = time.monotonic()
    tuner.run(show)
    seconds = time.monotonic() - began
    after, said = tuner.lesson.look().measures, answers(tuner.tuned, held_out)
    return {
        "steps": tuner.num_steps, "seconds": round(seconds), "held_out": len(held_out),
        "before": rounded(before), "after": rounded(after),
        "articles": [sum(f"<|ref|>{ARTICLE}" in text for text in one) / len(one) for one in (said_before, said)],
        "iou": [mean_and_error(earned(one, held_out)) for one in (said_before, said)],
    }  # fmt: skip


def has_article(sample: Sample) -> bool:
    """Tell whether the label of a sample begins with an article."""
    return text_of(sample.messages[-1]).startswith(f"<|ref|>{ARTICLE}")


def rounded(measures: dict[str, float]) -> dict[str, float]:
    """Return measures with four decimals."""
    return {name: round(value, 4) for name, value in measures.items()}


def show(figures: StepFigures) -> None:
    """Print a step."""
    print(figures.step, round(figures.loss, 4), rounded(figures.others), rounded(figures.held_out), flush=True)


def main() -> None:
    """Run one of both."""
    parser = argparse.ArgumentParser()
    parser.add_argument("which", choices=["dpo", "grpo"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", dest="assignments", action="append", default=[])
    options = parser.parse_args()
    measure = measure_dpo if options.which == "dpo" else measure_grpo
    print(json.dumps(measure(options.out, options.assignments), indent=2))


if __name__ == "__main__":
    main()
