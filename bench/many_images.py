"""Measure the memory of one chat about many pictures against its plan.

Loads a model, asks a first question so that everything that is made once is made, then plans and asks about many
pictures at once, and compares the growth of the process at its peak with the plan. Linux only.
Usage: `python bench/many_images.py [--model pocket] [--images 32] [--size 640x480] [--max-context N --rope-scaling S]`
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

import vl2

RESET_PEAK = "5"  # what Linux takes to forget the largest resident size


def pictures(count: int, width: int, height: int) -> list[np.ndarray]:
    """Return pictures of noise, none like another."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]


def question(images: list[np.ndarray]) -> list[dict[str, object]]:
    """Return one turn that shows all images."""
    parts: list[dict[str, object]] = [{"type": "image", "image": image} for image in images]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": "How many circles are there?"}]}]


def resident(name: str) -> int:
    """Return a size of this process in bytes: VmRSS now, VmHWM at its peak."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


def measure(model: str, count: int, size: tuple[int, int], **context: object) -> dict[str, float]:
    """Return what was planned, what the process grew by at its peak, and what the answer took."""
    assistant = vl2.load(model, device="cpu", **context)  # type: ignore[arg-type]
    first, *images = pictures(count + 1, *size)
    assistant.ask(first, "What is this?", max_new_tokens=2)
    turns = question(images)
    Path("/proc/self/clear_refs").write_text(RESET_PEAK, encoding="ascii")
    before = resident("VmRSS")
    plan = assistant.plan(turns, max_new_tokens=8)
    started = time.perf_counter()
    usage = assistant.chat(turns, max_new_tokens=8).usage
    return {
        "num_images": plan.num_images,
        "image_tokens": usage.image_tokens,
        "planned_mb": plan.total / 1e6,
        "grown_mb": (resident("VmHWM") - before) / 1e6,
        "seconds": time.perf_counter() - started,
    }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--size", default="640x480", help="width and height in pixels")
    parser.add_argument("--max-context", type=int)
    parser.add_argument("--rope-scaling", choices=("yarn", "linear"))
    found = parser.parse_args()
    width, height = map(int, found.size.split("x"))
    figures = measure(
        found.model, found.images, (width, height), max_context=found.max_context, rope_scaling=found.rope_scaling
    )
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
