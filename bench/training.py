"""Training side by side on a CPU: our MoE layer and our step against transformers' style (training_style.py).

`python bench/training.py` writes bench/results/training_cpu.json. Contenders take turns, round by round; medians and
the spread of wall time and of CPU time are kept. On a machine that others use, CPU time is the steadier of the two.
With GOMP_SPINCOUNT=0 in the environment threads that wait take none.

The layer is Tiny's. The step is of 8 layers of Tiny's shape at half its width, with the same 64 experts, top-6 and head
width, and as many tokens of vocabulary a dimension: at Tiny's own width, float32 would take 31 GB.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import torch
import training_style
from torch import Tensor, nn

from vl2.core.batch import IGNORE_INDEX, Batch, ModelInput
from vl2.core.tiles import TileGrid
from vl2.data.packing import pack
from vl2.kernels import Backends
from vl2.model import PRESETS, VL2, VL2Config
from vl2.model.moe import MoE
from vl2.train.adamw import adamw
from vl2.train.objective import document_targets, learn
from vl2.train.paper import paper_row

OUT = Path(__file__).parent / "results" / "training_cpu.json"
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}
LENGTH, LAYERS = 4096, 8
RATE, AUX_WEIGHT, CLIP = 5.4e-4, 1e-3, 1.0
LAYER_WAYS = ("ours", "masked", "gathered", "grouped")
STEP_WAYS = ("ours", "gathered", "masked")
Run = Callable[[], object]


def half_tiny() -> VL2Config:
    """Return 8 layers of Tiny at half its width; the vision tower is the smallest, for it is not run."""
    tiny, pocket = PRESETS["tiny"], PRESETS["pocket"]
    language = tiny.language_config
    language = replace(
        language, hidden_size=language.hidden_size // 2, intermediate_size=language.intermediate_size // 2,
        moe_intermediate_size=language.moe_intermediate_size // 2, vocab_size=language.vocab_size // 2,
        num_attention_heads=5, num_key_value_heads=5, num_hidden_layers=LAYERS,
    )  # fmt: skip
    projector = replace(pocket.projector_config, n_embed=language.hidden_size)
    return replace(pocket, language_config=language, projector_config=projector)


def packed_batch(config: VL2Config, *, has_images: bool, dtype: torch.dtype) -> Batch:
    """Return one row of 4096 tokens: 8 documents of text, learned from whole, or 6 answers about an image each.

    An image is a thumbnail and a local tile, 421 tokens, by random embeddings; questions are not learned from.
    """
    generator = torch.Generator().manual_seed(0)
    visual = TileGrid(1, 1).num_visual_tokens(PRESETS["tiny"].tile_side) if has_images else 0
    num_documents = 6 if has_images else 8
    cuts = torch.rand(num_documents, generator=generator) + 0.5  # lengths differ up to threefold
    texts = (cuts / cuts.sum() * (LENGTH - num_documents * visual)).long().tolist()
    texts[-1] += LENGTH - num_documents * visual - sum(texts)  # no padding
    documents = []
    for length in texts:
        ids = torch.randint(0, config.language_config.vocab_size, (visual + length,), generator=generator)
        image_mask = torch.arange(len(ids)) < visual
        masked = visual + length // 3 if has_images else 0
        documents.append(
            ModelInput(
                input_ids=ids, labels=ids.masked_fill(torch.arange(len(ids)) < masked, IGNORE_INDEX),
                image_mask=image_mask, tiles=torch.zeros(0, 3, 1, 1), grids=(),
            )
        )  # fmt: skip
    batch = pack([documents], pad_id=0, length_step=LENGTH)
    width = config.language_config.hidden_size
    embeds = torch.randn(int(batch.image_mask.sum()), width, generator=generator).to(dtype) if has_images else None
    return replace(batch, visual_embeds=embeds)


def layer_runs(dtype: torch.dtype, tokens: int, ways: tuple[str, ...]) -> dict[str, Run]:
    """Return Tiny's MoE layer, forward and backward, in each way."""
    torch.manual_seed(0)
    config = PRESETS["tiny"].language_config
    ours = MoE(config).to(dtype)
    x, grad = (torch.randn(1, tokens, config.hidden_size).to(dtype) for _ in range(2))
    backends = Backends.best()

    def run(module: nn.Module) -> None:
        module.zero_grad()
        leaf = x.clone().requires_grad_()
        out = module(leaf, backends) if module is ours else module(leaf)
        out[0].backward(grad)

    modules = {way: ours if way == "ours" else training_style.MoE(ours, config, way) for way in ways}
    return {way: lambda module=module: run(module) for way, module in modules.items()}


def step_run(way: str, dtype: torch.dtype, batch: Batch) -> Run:
    """Return a whole step of one contender: forward, backward, clip, AdamW."""
    torch.manual_seed(0)
    ours = VL2(half_tiny()).to(dtype)
    if way == "ours":
        moving = [part for name, part in ours.named_parameters() if name.startswith("language")]
        groups = [{"params": moving, "names": [""] * len(moving), "lr": RATE, "weight_decay": 0.1}]
        return our_step(ours, batch, adamw(groups, paper_row("tiny", "sft"), torch.device("cpu")))
    theirs = training_style.CausalLanguageModel(ours.language, way)
    return their_step(theirs, batch)


def our_step(model: VL2, batch: Batch, optimizer: torch.optim.Optimizer) -> Run:
    """Return a step as the stage trainer does it."""
    parameters = [part for group in optimizer.param_groups for part in group["params"]]

    def run() -> Tensor:
        learned = learn(model, batch)
        loss = learned.loss(learned.num_tokens, AUX_WEIGHT)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    return run


def their_step(model: training_style.CausalLanguageModel, batch: Batch) -> Run:
    """Return a step as transformers' Trainer does it; fused AdamW is its default."""
    optimizer = torch.optim.AdamW(model.parameters(), RATE, (0.9, 0.95), weight_decay=0.1, fused=True)
    targets = document_targets(batch)

    def run() -> Tensor:
        loss = model(batch, targets, AUX_WEIGHT, batch.visual_embeds)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    return run


def timed(run: Run) -> tuple[float, float]:
    """Return seconds of wall and of CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def summary(times: Mapping[str, list[tuple[float, float]]]) -> dict[str, dict[str, object]]:
    """Return medians and spreads by contender, and how many times ours each of them takes, round by round."""
    found: dict[str, dict[str, object]] = {}
    for way, pairs in times.items():
        entry: dict[str, object] = {}
        for kind, column in zip(("wall_s", "cpu_s"), zip(*pairs, strict=True), strict=True):
            own = [pair[kind == "cpu_s"] for pair in times["ours"]]
            ratios = [their / our for their, our in zip(column, own, strict=True)]
            entry[kind] = {
                "median": round(statistics.median(column), 3), "min": round(min(column), 3),
                "max": round(max(column), 3), "times_ours": round(statistics.median(ratios), 2),
            }  # fmt: skip
        found[way] = entry
    return found


def in_turns(runs: Mapping[str, Run], rounds: int) -> dict[str, dict[str, object]]:
    """Time contenders round by round; the first round warms up."""
    times: dict[str, list[tuple[float, float]]] = {way: [] for way in runs}
    for number in range(rounds + 1):
        for way, run in runs.items():
            pair = timed(run)
            if number:
                times[way].append(pair)
    return summary(times)


def compare_layers(dtype: str, tokens: int, rounds: int) -> dict[str, dict[str, object]]:
    """Time the layer; the first round warms up."""
    return in_turns(layer_runs(DTYPES[dtype], tokens, LAYER_WAYS), rounds)


def compare_steps(dtype: str, rounds: int, *, has_images: bool, ways: tuple[str, ...]) -> dict[str, dict[str, object]]:
    """Time the step. Each turn has a process of its own: two contenders do not fit, and one's heap slows the next."""
    times: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for _ in range(rounds):
            for way in ways:
                turn = pool.submit(step_turn, way, dtype, torch.get_num_threads(), has_images=has_images)
                times[way].append(turn.result())
    return summary(times)


def step_turn(way: str, dtype: str, threads: int, *, has_images: bool) -> tuple[float, float]:
    """Time one step behind one that warms up."""
    torch.set_num_threads(threads)
    run = step_run(way, DTYPES[dtype], packed_batch(half_tiny(), has_images=has_images, dtype=DTYPES[dtype]))
    run()
    return timed(run)


def main() -> None:
    """Time everything and write the figures down after each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="parts whose name begins so: layer, step, step/float32, ..")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rounds = arguments.rounds
    parts: dict[str, Callable[[], dict[str, dict[str, object]]]] = {}
    for dtype in DTYPES:
        for tokens in (4096, 512):
            parts[f"layer/{dtype}/{tokens}"] = lambda dtype=dtype, tokens=tokens: compare_layers(dtype, tokens, rounds)
    for dtype in DTYPES:
        for name, has_images in (("images", True), ("text", False)):
            parts[f"step/{dtype}/{name}"] = lambda dtype=dtype, has_images=has_images: compare_steps(
                dtype, rounds, has_images=has_images, ways=STEP_WAYS
            )
    found = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for name, part in parts.items():
        if name.startswith(arguments.only):
            found[name] = {"rounds": rounds, **part()}
            print(name, json.dumps(found[name]), flush=True)
            found["machine"] = {
                "threads": arguments.threads, "torch": torch.__version__,
                "processor": platform.processor() or platform.machine(),
            }  # fmt: skip
            arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
