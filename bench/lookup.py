"""Measure what guessed tokens (prompt look-up) save on reading tasks: right guesses, tokens a step, paired wall time.

Each question is answered alone, without and with drafts, in turns; images are encoded before. Kinds of pocketbench
are read from --data. `reread` asks for a text that the conversation has already.
Usage: `python bench/lookup.py [--model pocket] [--data DIR] [--draft-tokens 3 6] [--out FILE]`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

import vl2
from vl2.core.sample import ImagePart, Message, Sample, TextPart
from vl2.engine.encode import encode_images
from vl2.engine.engine import Engine, EngineSettings
from vl2.engine.request import Request
from vl2.engine.sampler import SamplingSettings
from vl2.evaluation.pocketbench import held_out
from vl2.model import VL2
from vl2.processor import Processor

KINDS = (
    "lines", "word", "receipt.cell", "table.cell", "marks", "text_ground", "ground.one", "ground.many",
    "describe.normal", "describe.grounded",
)  # fmt: skip
READ = "\nRead the text."
QUIET_SHARE = 0.1  # of the machine that others may use
MAX_NEW_TOKENS = 160


@dataclass(frozen=True)
class Run:
    """One answer and what it took."""

    tokens: tuple[int, ...]
    num_steps: int  # behind the prompt's
    num_drafted: int
    num_accepted: int
    decode_s: float  # behind the first token
    answer_s: float


class Bench:
    """A model and the ways to ask it."""

    def __init__(self, model: VL2, processor: Processor) -> None:
        self.model, self.processor = model, processor

    def request(self, messages: tuple[Message, ...], sample: Sample) -> Request:
        """Return a request whose images are encoded."""
        prompt = self.processor(messages, sample.images)
        visual = encode_images(self.model, prompt.tiles, prompt.grids) if prompt.grids else ()
        return Request(
            prompt=prompt, settings=SamplingSettings(max_new_tokens=MAX_NEW_TOKENS),
            visual_embeds=torch.cat(visual) if visual else None,
        )  # fmt: skip

    def answer(self, request: Request, num_draft_tokens: int) -> Run:
        """Answer with a cold engine."""
        room = request.num_prompt_tokens + MAX_NEW_TOKENS
        settings = EngineSettings(cache_tokens=room, max_running=1, num_draft_tokens=num_draft_tokens)
        engine = Engine(self.model, self.processor.tokenizer, settings)
        engine.add(request)
        tokens: list[int] = []
        num_steps, started, first = 0, time.perf_counter(), 0.0
        while engine.has_work:
            events = engine.step()
            tokens += [token for event in events for token in event.token_ids]
            if first and events:
                num_steps += 1
            elif events:
                first = time.perf_counter()
        ended = time.perf_counter()
        return Run(tuple(tokens), num_steps, engine.num_drafted, engine.num_accepted, ended - first, ended - started)

    def workloads(self, data: Path, limit: int) -> Iterator[tuple[str, list[Request]]]:
        """Yield the name and the requests of each task."""
        empty = Message("assistant", ())
        for kind in KINDS:
            samples = list(held_out(data, prefix=kind, limit=limit))
            yield kind, [self.request((*sample.messages[:-1], empty), sample) for sample in samples]
        lines = list(held_out(data, prefix="lines", limit=limit))
        again = []
        for sample in lines:
            asked = Message("user", (ImagePart(), TextPart(READ)))
            said = self.processor.decode(list(self.answer(self.request((asked, empty), sample), 0).tokens))
            turns = (asked, Message("assistant", (TextPart(said),)), Message("user", (TextPart(READ[1:]),)), empty)
            again.append(self.request(turns, sample))
        yield "reread", again


def measure(bench: Bench, requests: list[Request], num_draft_tokens: int, rounds: int) -> dict[str, object]:
    """Answer every request both ways in every round; each round gives one ratio of times."""
    decode, whole = [], []
    least: dict[int, list[float]] = {}  # seconds behind the first token of each way, question by question
    for number in range(rounds):
        plain: list[Run] = []
        drafted: list[Run] = []
        for place, request in enumerate(requests):
            ways = [(0, plain), (num_draft_tokens, drafted)]
            for count, runs in ways if (number + place) % 2 else ways[::-1]:
                runs.append(bench.answer(request, count))
        for count, runs in ((0, plain), (num_draft_tokens, drafted)):
            before = least.get(count, [run.decode_s for run in runs])
            least[count] = [min(one, run.decode_s) for one, run in zip(before, runs, strict=True)]
        decode.append(sum(run.decode_s for run in plain) / max(sum(run.decode_s for run in drafted), 1e-9))
        whole.append(sum(run.answer_s for run in plain) / sum(run.answer_s for run in drafted))
    num_tokens = sum(len(run.tokens) for run in drafted)
    num_drafted, num_steps = (sum(getattr(run, name) for run in drafted) for name in ("num_drafted", "num_steps"))
    plain_steps = sum(run.num_steps for run in plain)
    return {
        "num_draft_tokens": num_draft_tokens,
        "num_answers": len(requests),
        "num_same": sum(one.tokens == other.tokens for one, other in zip(plain, drafted, strict=True)),
        "num_tokens": num_tokens,
        "num_drafted": num_drafted,
        "accepted": round(sum(run.num_accepted for run in drafted) / num_drafted, 3) if num_drafted else None,
        "tokens_a_step": round(plain_steps / num_steps, 3) if num_steps else None,
        "decode_speedup": spread(decode),
        "decode_speedup_of_least_times": round(sum(least[0]) / sum(least[num_draft_tokens]), 3),
        "answer_speedup": spread(whole),
    }


def spread(values: list[float]) -> dict[str, float]:
    """Return the median and the ends."""
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
    }


def busy_share(seconds: float = 2.0) -> float:
    """Return how much of the processors' time others use while this process sleeps."""

    def times() -> tuple[int, int]:
        fields = [int(word) for word in Path("/proc/stat").read_text(encoding="utf-8").split("\n")[0].split()[1:]]
        return sum(fields), fields[3] + fields[4]

    total, idle = times()
    time.sleep(seconds)
    later, later_idle = times()
    return 1 - (later_idle - idle) / max(later - total, 1)


def main() -> None:
    """Measure every task and write one JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--dtype", help="as stored unless given")
    parser.add_argument("--data", type=Path, default=Path("runs/pocket/heldout"), help="held-out shards")
    parser.add_argument("--draft-tokens", type=int, nargs="+", default=[3, 6])
    parser.add_argument("--limit", type=int, default=16, help="questions a task")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("bench/results/lookup.json"))
    asked = parser.parse_args()
    assistant = vl2.load(asked.model, dtype=asked.dtype)
    bench = Bench(assistant.model, assistant.processor)
    before = busy_share()
    rows = []
    for name, requests in bench.workloads(asked.data, asked.limit):
        bench.answer(requests[0], 0)  # the first answer is slower
        for count in asked.draft_tokens:
            rows.append({"task": name} | measure(bench, requests, count, asked.rounds))
            print(json.dumps(rows[-1]), flush=True)
    after = busy_share()
    record = {
        "model": asked.model, "dtype": str(assistant.model.tile_newline.dtype),
        "language": type(assistant.model.language).__name__,
        "threads": torch.get_num_threads(), "torch": torch.__version__,
        "machine": platform.machine(), "processors": os.cpu_count(),
        "busy_before": round(before, 2), "busy_after": round(after, 2),
        "is_quiet": max(before, after) < QUIET_SHARE, "rounds": asked.rounds, "rows": rows,
    }  # fmt: skip
    asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
