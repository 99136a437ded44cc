"""Measure the peak memory of the Tiny size against its plan, with random weights of true size.

Writes a sharded bfloat16 checkpoint (6.74 GB) into a temporary folder, loads it in a process of its own, answers a
question about one picture, and compares the peak with `plan_memory`. The folder is removed afterwards.
Usage: `python bench/tiny_memory.py [--folder DIR]`; needs 10 GB of memory and 8 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from vl2.core.batch import IGNORE_INDEX, ModelInput
from vl2.core.tiles import TileGrid
from vl2.engine.request import Request
from vl2.evaluation.parity.generation import generate
from vl2.model import PRESETS, VL2
from vl2.weights import load_model, plan_memory
from vl2.weights.load import expected_tensors
from vl2.weights.save import config_to_dict

SIZE, DTYPE = "tiny", torch.bfloat16
SHARD_BYTES = 10**9
NUM_TEXT_TOKENS, NUM_NEW_TOKENS, PAD = 32, 8, 2
ALLOWED_DIFFERENCE = 0.10


def write_random_checkpoint(directory: Path) -> None:
    """Write the official layout shard by shard: at most one shard is in memory."""
    with torch.device("meta"):
        shapes = expected_tensors(VL2(PRESETS[SIZE]))
    shards: list[list[str]] = [[]]
    size = 0
    for key, shape in shapes.items():
        size += torch.Size(shape).numel() * DTYPE.itemsize
        if size > SHARD_BYTES:
            shards.append([])
            size = torch.Size(shape).numel() * DTYPE.itemsize
        shards[-1].append(key)
    weight_map: dict[str, str] = {}
    for number, keys in enumerate(shards, start=1):
        name = f"model-{number:05d}-of-{len(shards):06d}.safetensors"
        save_file({key: random_tensor(key, shapes[key]) for key in keys}, directory / name)
        weight_map |= dict.fromkeys(keys, name)
    index = {"metadata": {}, "weight_map": weight_map}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    (directory / "config.json").write_text(json.dumps(config_to_dict(PRESETS[SIZE], DTYPE)), encoding="utf-8")


def random_tensor(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Return values of about the size that trained ones have."""
    tensor = torch.empty(shape, dtype=DTYPE)
    return tensor.fill_(1) if "norm" in key and key.endswith("weight") else tensor.normal_(std=0.02)


def picture_question() -> ModelInput:
    """Return a prompt of one picture and some text."""
    vision, grid = PRESETS[SIZE].vision_config, TileGrid(1, 1)
    side = -(-vision.patches_per_side // PRESETS[SIZE].projector_config.downsample_ratio)
    num_visual = grid.num_visual_tokens(side)
    ids = torch.randint(1000, 100_000, (num_visual + NUM_TEXT_TOKENS,))
    mask = torch.arange(len(ids)) < num_visual
    tiles = torch.rand(grid.num_tiles, 3, vision.image_size, vision.image_size) * 2 - 1
    return ModelInput(ids, torch.full_like(ids, IGNORE_INDEX), mask, tiles, (grid,))


def measure(directory: Path) -> dict[str, float]:
    """Load, answer, and return gigabytes and seconds; the peak is that of the whole process."""
    start = time.monotonic()
    model = load_model(directory)
    loaded = time.monotonic()
    peak_of_loading = peak_gb()
    prompt = picture_question()
    answer = generate(model, [Request(prompt=prompt)], PAD, NUM_NEW_TOKENS)
    plan = plan_memory(
        model.config,
        dtype=DTYPE,
        context_tokens=len(prompt.input_ids) + NUM_NEW_TOKENS,
        num_tiles=len(prompt.tiles),
    )
    return {
        "planned_gb": plan.total / 1e9,
        "peak_gb": peak_gb(),
        "peak_of_loading_gb": peak_of_loading,
        "weights_gb": plan.weights / 1e9,
        "activations_gb": plan.activations / 1e9,
        "load_s": loaded - start,
        "answer_s": time.monotonic() - loaded,
        "num_new_tokens": len(answer.tokens[0]),
    }


def peak_gb() -> float:
    """Return the largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> int:
    """Return 0 when the peak lies within the allowed difference of the plan."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the temporary checkpoint goes")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        print(json.dumps(measure(arguments.measure)))
        return 0
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        write_random_checkpoint(Path(folder))
        command = [sys.executable, __file__, "--measure", folder]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    ratio = found["peak_gb"] / found["planned_gb"]
    rounded = {name: round(value, 3) for name, value in {**found, "peak_to_plan": ratio}.items()}
    print(json.dumps(rounded, indent=1))
    return 0 if abs(ratio - 1) <= ALLOWED_DIFFERENCE else 1


if __name__ == "__main__":
    raise SystemExit(main())
