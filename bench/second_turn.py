"""Measure the time to the first token of the first and the second turn of a chat about one page of ten tiles.

The second turn finds the page in the cache of the conversation: it is decoded and cut again, but neither encoded nor
read. With --preset the weights are random ones of true size, with pocket's tokenizer.
Usage: `python bench/second_turn.py [--model pocket | --preset tiny --precision int4] [--repeats 5]`
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np

import vl2
from vl2.cli.bench_contender import config_in
from vl2.cli.bench_weights import random_model
from vl2.engine.assistant import Assistant
from vl2.processor import Processor
from vl2.processor.settings import ProcessorSettings
from vl2.weights import find_checkpoint
from vl2.weights.pack import pack_model

NUM_TILES = 9  # local ones, beside the thumbnail


def page(tile_size: int, seed: int) -> np.ndarray:
    """Return a page of noise that fills three by three tiles."""
    return np.random.default_rng(seed).integers(0, 256, (3 * tile_size, 3 * tile_size, 3), dtype=np.uint8)


def time_first_token(assistant: Assistant, turns: list[dict[str, object]]) -> tuple[float, str]:
    """Return the seconds to the first token, and the text of it."""
    started = time.perf_counter()
    answer = assistant.chat(turns, max_new_tokens=1)
    return time.perf_counter() - started, answer.text


def random_assistant(preset: str, precision: str) -> Assistant:
    """Return a model of true size with random weights."""
    config = config_in(precision, preset, None)
    settings = ProcessorSettings(candidate_resolutions=config.candidate_resolutions)
    tokenizer = Processor.from_directory(find_checkpoint("pocket")).tokenizer  # any: only numbers count here
    return Assistant(pack_model(random_model(config)), Processor(tokenizer, settings.rule(), settings))


def measure(assistant: Assistant, repeats: int) -> dict[str, float]:
    """Return medians in milliseconds."""
    times: list[tuple[float, float]] = []
    for seed in range(repeats + 1):
        image = page(assistant.processor.settings.tile_size, seed)
        asked: dict[str, object] = {
            "role": "user",
            "content": [{"type": "image", "image": image}, {"type": "text", "text": "What is on the page?"}],
        }
        first, said = time_first_token(assistant, [asked])
        again = [asked, {"role": "assistant", "content": said}, {"role": "user", "content": "And what else?"}]
        second, _ = time_first_token(assistant, again)
        times.append((first, second))
    firsts, seconds = zip(*times[1:], strict=True)  # the first page pays for what is made once
    first, second = statistics.median(firsts) * 1e3, statistics.median(seconds) * 1e3
    return {"first_ms": first, "second_ms": second, "share": second / first, "encoded": assistant.features.num_misses}


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--preset", choices=("tiny",))
    parser.add_argument("--precision", choices=("bf16", "int8", "int4"), default="bf16")
    parser.add_argument("--repeats", type=int, default=5)
    found = parser.parse_args()
    if found.preset is None:
        assistant = vl2.load(found.model, max_tiles=NUM_TILES)
    else:
        assistant = random_assistant(found.preset, found.precision)
    print(json.dumps({name: round(value, 3) for name, value in measure(assistant, found.repeats).items()}))


if __name__ == "__main__":
    main()
