"""Measure what a decode step of the engine takes beside its native kernels: scheduler, sampler, text, all of Python.

Answers run side by side behind prompts of --context tokens; random weights of true size, with pocket's tokenizer.
Usage: `python bench/step_cost.py [--preset tiny] [--precision int4] [--batch 1 8] [--context 700] [--steps 200]`
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from vl2.cli.bench_contender import config_in
from vl2.cli.bench_weights import random_model
from vl2.core.sample import Message, TextPart
from vl2.engine.engine import Engine, EngineSettings
from vl2.engine.request import Request
from vl2.engine.sampler import SamplingSettings
from vl2.kernels.native.library import kernels
from vl2.model import VL2
from vl2.processor import Processor
from vl2.weights import find_checkpoint
from vl2.weights.pack import pack_model


class Timed:
    """A function that counts the seconds spent in it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.seconds = function, 0.0

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        started = time.perf_counter()
        result = self.function(*arguments)
        self.seconds += time.perf_counter() - started
        return result


def running_engine(model: VL2, processor: Processor, *, batch: int, context: int, steps: int) -> Engine:
    """Return an engine that has read all prompts and goes on token by token."""
    settings = EngineSettings(cache_tokens=batch * (context + steps + 64), max_running=batch)
    engine = Engine(model, processor.tokenizer, settings)
    for number in range(batch):
        asked = Message("user", (TextPart(" ".join(f"{number} {word}" for word in range(context))),))
        prompt = processor((asked, Message("assistant", ())), ())
        end = {name: getattr(prompt, name)[-context:] for name in ("input_ids", "labels", "image_mask")}
        engine.add(Request(prompt=replace(prompt, **end), settings=SamplingSettings(max_new_tokens=steps + 32)))
    while len(engine.step()) < batch:
        pass
    return engine


def measure(engine: Engine, native: Timed, steps: int) -> dict[str, float]:
    """Return medians of a step in microseconds, and the share of what is not the kernels'."""
    whole: list[float] = []
    beside: list[float] = []
    for _ in range(steps):
        before, started = native.seconds, time.perf_counter()
        engine.step()
        whole.append(time.perf_counter() - started)
        beside.append(whole[-1] - (native.seconds - before))
    step, rest = statistics.median(whole) * 1e6, statistics.median(beside) * 1e6
    return {"step_us": round(step), "beside_kernels_us": round(rest), "share": round(rest / step, 4)}


def main() -> None:
    """Print a line of JSON for each number of answers side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=("tiny", "small"), default="tiny")
    parser.add_argument("--precision", choices=("bf16", "int8", "int4"), default="int4")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--context", type=int, default=700)
    parser.add_argument("--steps", type=int, default=200)
    asked = parser.parse_args()
    processor = Processor.from_directory(find_checkpoint("pocket"))
    model = pack_model(random_model(config_in(asked.precision, asked.preset, None)))
    native = vars(kernels())["vl2_language"] = Timed(kernels().vl2_language)  # where every caller finds it
    for batch in asked.batch:
        engine = running_engine(model, processor, batch=batch, context=asked.context, steps=asked.steps)
        print(json.dumps({"batch": batch, **measure(engine, native, asked.steps)}), flush=True)


if __name__ == "__main__":
    main()
