"""How fast short answers are scored, and how long the worst of many random ones takes: python bench/scoring.py."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable

from vl2.evaluation.metrics.anls import anls
from vl2.evaluation.metrics.boxes import first_box
from vl2.evaluation.metrics.options import read_option, static_option
from vl2.evaluation.metrics.soft_accuracy import soft_accuracy

NUM_ANSWERS, NUM_RANDOM, NUM_AGAIN = 100_000, 100_000, 5
SLOW = 0.5  # milliseconds
OPTIONS = {"A": "cat", "B": "dog", "C": "bird", "D": "fish"}
PIECES = ("<|det|>", "<|/det|>", "[[", "]]", "[", "]", "9" * 30, "-", ".", ",", " ", "(A)", "B.", "answer is", "\n")
READERS: dict[str, Callable[[str], object]] = {
    "box, canonical": lambda text: first_box(text, 640, 480),
    "box, vlmevalkit": lambda text: first_box(text, 640, 480, "vlmevalkit"),
    "box, lmms": lambda text: first_box(text, 640, 480, "lmms"),
    "option, vlmevalkit": lambda text: read_option(text, OPTIONS),
    "option, lmms": lambda text: read_option(text, OPTIONS, "lmms"),
    "option, MMBench of lmms": lambda text: static_option(text, OPTIONS),
}


def main() -> int:
    """Print answers a second, and milliseconds of the worst one."""
    pairs = [(f"answer {n % 9973}", f"answer {n % 9967}") for n in range(NUM_ANSWERS)]
    scores = {"ANLS": lambda a, b: anls(a, [b]), "soft accuracy": lambda a, b: soft_accuracy(a, annotators(b))}
    for name, score in scores.items():
        began = time.process_time()
        for said, gold in pairs:
            score(said, gold)
        print(f"{name}: {NUM_ANSWERS / (time.process_time() - began):,.0f} a second")
    generator = random.Random(0)
    texts = ["".join(generator.choices(PIECES, k=generator.randint(0, 40))) for _ in range(NUM_RANDOM)]
    for name, read in READERS.items():
        worst = max(milliseconds(read, text) for text in texts)
        nines = min(milliseconds(read, "9" * 1_000_000) for _ in range(NUM_AGAIN))
        print(f"{name}: {worst:.3f} ms for the worst of {NUM_RANDOM:,} answers, {nines:.3f} for a megabyte of nines")
    return 0


def annotators(gold: str) -> list[str]:
    """Return ten answers, four different ones."""
    return [gold] * 6 + [gold.upper(), f"the {gold}", f"{gold}.", "unanswerable"]


def milliseconds(read: Callable[[str], object], text: str) -> float:
    """Return how long one answer takes, in time of this thread; a slow one is read again, for the collector's sake."""
    took = 0.0
    for again in range(NUM_AGAIN):
        began = time.thread_time()
        read(text)
        now = (time.thread_time() - began) * 1000
        took = now if again == 0 else min(took, now)
        if took < SLOW:
            break
    return took


if __name__ == "__main__":
    sys.exit(main())
