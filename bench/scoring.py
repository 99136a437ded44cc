"""How fast short answers are scored, and how long the worst of many random ones takes: python bench/scoring.py."""

from __future__ import annotations

import random
import sys
import time

from vl2.evaluation.metrics.anls import anls
from vl2.evaluation.metrics.boxes import first_box
from vl2.evaluation.metrics.options import read_option
from vl2.evaluation.metrics.soft_accuracy import soft_accuracy

NUM_ANSWERS, NUM_RANDOM = 100_000, 100_000
OPTIONS = {"A": "cat", "B": "dog", "C": "bird", "D": "fish"}
PIECES = ("<|det|>", "<|/det|>", "[[", "]]", "[", "]", "9" * 30, "-", ".", ",", " ", "(A)", "B.", "answer is", "\n")


def main() -> int:
    """Print answers a second, and milliseconds of the worst one."""
    pairs = [(f"answer {n % 9973}", f"answer {n % 9967}") for n in range(NUM_ANSWERS)]
    scores = {"ANLS": lambda a, b: anls(a, [b]), "soft accuracy": lambda a, b: soft_accuracy(a, [b] * 10)}
    for name, score in scores.items():
        began = time.perf_counter()
        for said, gold in pairs:
            score(said, gold)
        print(f"{name}: {NUM_ANSWERS / (time.perf_counter() - began):,.0f} a second")
    generator, worst = random.Random(0), 0.0
    for _ in range(NUM_RANDOM):
        text = "".join(generator.choices(PIECES, k=generator.randint(0, 40)))
        began = time.perf_counter()
        first_box(text, 640, 480)
        first_box(text, 640, 480, "vlmevalkit")
        read_option(text, OPTIONS)
        worst = max(worst, time.perf_counter() - began)
    print(f"{NUM_RANDOM:,} random answers: none raised, {worst * 1000:.2f} ms at worst")
    began = time.perf_counter()
    first_box("9" * 1_000_000, 640, 480)
    print(f"a megabyte of nines: {(time.perf_counter() - began) * 1000:.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
