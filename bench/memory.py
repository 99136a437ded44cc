"""Measure the memory of a model of true size against its plan, with random weights.

Writes a sharded checkpoint into a temporary folder, as `vl2 quantize` would, loads and packs it in a process of its
own as `vl2.load` does, answers a question about one picture, and compares with what `vl2 plan` says. The folder is
removed afterwards.
Usage: `python bench/memory.py [--preset tiny|small] [--precision bf16|int8|int4] [--folder DIR]`. Needs the disk of
the checkpoint and half as much memory again: tiny 7 GB in bf16, 3 in int4; small 10 in int4.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from vl2.cli.bench_weights import CODE_STD, CODES, SCALES, WEIGHT_STD
from vl2.core.batch import IGNORE_INDEX, ModelInput
from vl2.core.tiles import TileGrid
from vl2.engine.engine import Engine, EngineSettings
from vl2.engine.request import Request
from vl2.engine.request_plan import plan_request
from vl2.engine.sampler import SamplingSettings
from vl2.model import PRESETS, VL2Config
from vl2.processor import Processor
from vl2.weights import find_checkpoint, load_model, plan_memory
from vl2.weights.empty import empty_model, model_tensors
from vl2.weights.load import key_of
from vl2.weights.names import places_of
from vl2.weights.pack import pack_model
from vl2.weights.preflight import SMALLER_FORMATS
from vl2.weights.save import config_to_dict
from vl2.weights.write import CONFIG_FILE, ShardWriter, write_json

DTYPE = torch.bfloat16
PRECISIONS = {"bf16": "bfloat16", "int8": "int8", "int4": "int4"}
RESIDENT_BELOW_GB = {("tiny", "int8"): 5.0, ("tiny", "int4"): 3.0, ("small", "int4"): 11.0}
SHARD_BYTES = 500_000_000
GRID = TileGrid(1, 1)
NUM_TEXT_TOKENS, NUM_NEW_TOKENS = 32, 8
ALLOWED_DIFFERENCE = 0.10


def write_random_checkpoint(directory: Path, config: VL2Config) -> None:
    """Write the official layout shard by shard: at most one shard is in memory."""
    model = empty_model(config, DTYPE)
    write_json(directory / CONFIG_FILE, config_to_dict(config, DTYPE))
    writer = ShardWriter(directory, SHARD_BYTES)
    for name, tensor in model_tensors(model):
        std = WEIGHT_STD
        if name.endswith(SCALES):
            std /= CODE_STD[model.get_buffer(name.removesuffix(SCALES) + CODES).dtype]
        for place in places_of(name, tensor):
            shape = tensor.shape if place.expert is None else tensor.shape[1:]
            stored = torch.empty(shape, dtype=tensor.dtype if name.endswith((CODES, SCALES)) else DTYPE)
            writer.add(key_of(place), fill_random(name, stored, std))
    writer.close()


def fill_random(name: str, tensor: torch.Tensor, std: float) -> torch.Tensor:
    """Fill with values of about the size that trained ones have."""
    if not tensor.is_floating_point():
        return tensor.random_()
    return tensor.fill_(1) if "norm" in name and name.endswith("weight") else tensor.normal_(std=std)


def picture_question(config: VL2Config) -> ModelInput:
    """Return a prompt of one picture and some text."""
    vision = config.vision_config
    num_visual = GRID.num_visual_tokens(config.tile_side)
    ids = torch.randint(1000, 100_000, (num_visual + NUM_TEXT_TOKENS,))
    mask = torch.arange(len(ids)) < num_visual
    tiles = torch.rand(GRID.num_tiles, 3, vision.image_size, vision.image_size) * 2 - 1
    return ModelInput(ids, torch.full_like(ids, IGNORE_INDEX), mask, tiles, (GRID,))


def measure(directory: Path) -> dict[str, float]:
    """Load, answer, and return gigabytes and seconds; the peaks are those of the whole process."""
    start = time.monotonic()
    before = gigabytes("VmRSS")
    model = pack_model(load_model(directory))
    loaded = time.monotonic()
    found = {
        "resident_before_gb": before,
        "resident_gb": gigabytes("VmRSS"),
        "peak_of_loading_gb": gigabytes("VmHWM"),
    }
    config, prompt = model.config, picture_question(model.config)
    context = len(prompt.input_ids) + NUM_NEW_TOKENS
    plan = plan_memory(config, dtype=DTYPE, context_tokens=0, num_tiles=0)
    asked = plan_request(config, prompt.grids, context, dtype=DTYPE)
    tokenizer = Processor.from_directory(find_checkpoint("pocket")).tokenizer  # any: only numbers count here
    engine = Engine(model, tokenizer, EngineSettings(cache_tokens=config.language_config.max_position_embeddings))
    engine.add(Request(prompt=prompt, settings=SamplingSettings(max_new_tokens=NUM_NEW_TOKENS)))
    num_new = 0
    while engine.has_work:
        num_new += len(engine.step())
    return {
        "planned_gb": (plan.total + asked.total) / 1e9,
        "planned_weights_gb": plan.weights / 1e9,
        "planned_request_gb": asked.total / 1e9,
        **found,
        "resident_after_answer_gb": gigabytes("VmRSS"),
        "peak_gb": gigabytes("VmHWM"),
        "load_s": loaded - start,
        "answer_s": time.monotonic() - loaded,
        "num_new_tokens": num_new,
    }


def gigabytes(field: str) -> float:
    """Return a size of this process: VmRSS is resident now, VmHWM was so at most."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":")) * 1024 / 1e9


def main() -> int:
    """Return 0 when the peak lies within the allowed difference of the plan, and what is resident below its bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=("tiny", "small"), default="tiny")
    parser.add_argument("--precision", choices=PRECISIONS, default="bf16")
    parser.add_argument("--folder", type=Path, help="where the temporary checkpoint goes")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        print(json.dumps(measure(arguments.measure)))
        return 0
    quantization = SMALLER_FORMATS[PRECISIONS[arguments.precision]]
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        write_random_checkpoint(Path(folder), replace(PRESETS[arguments.preset], quantization_config=quantization))
        command = [sys.executable, __file__, "--measure", folder]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    ratio = found["peak_gb"] / found["planned_gb"]
    bound = RESIDENT_BELOW_GB.get((arguments.preset, arguments.precision), float("inf"))
    rounded = {name: round(value, 3) for name, value in {**found, "peak_to_plan": ratio}.items()}
    print(json.dumps({"preset": arguments.preset, "precision": arguments.precision, **rounded}, indent=1))
    is_resident = max(found["resident_gb"], found["resident_after_answer_gb"]) < bound
    return 0 if is_resident and abs(ratio - 1) <= ALLOWED_DIFFERENCE else 1


if __name__ == "__main__":
    raise SystemExit(main())
