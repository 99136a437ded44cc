"""Toys that the paper's stages train: models of each variant in the official layout, over pocket's corpus."""

from __future__ import annotations

import json
import os
import socket
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.processes import start
from tests.train.variants import toy_config
from vl2.model import PRESETS, VL2, VL2Config
from vl2.train.run import train
from vl2.train.snapshots.stored import StoredSnapshot, newest_snapshot
from vl2.weights import save_model

RECIPES = Path(__file__).parents[2] / "recipes"
VOCAB = 2048  # of pocket's tokenizer


def stage_config(variant: str) -> VL2Config:
    """Return the toy of a variant that reads pocket's tiles and tokens."""
    pocket, toy = PRESETS["pocket"], toy_config(variant, vocab=VOCAB)
    vision = replace(toy.vision_config, image_size=pocket.vision_config.image_size)
    return replace(toy, vision_config=vision, candidate_resolutions=pocket.candidate_resolutions)


def write_start(folder: Path, variant: str, corpus: Path) -> Path:
    """Write a toy's first weights, with the corpus's processor."""
    torch.manual_seed(11)
    return save_model(VL2(stage_config(variant)), folder, companions=corpus / "processor")


def recipe(variant: str, stage: str) -> Path:
    return RECIPES / variant / f"{stage}.yaml"


def changes(corpus: Path, model: Path, out: Path, **others: object) -> list[str]:
    """Return what makes any recipe a toy: sizes, data, and one process; `others` come last."""
    values = {
        "model": str(model), "tokenizer": str(corpus / "processor"), "out": str(out),
        "data": {str(corpus / "data" / "shapes"): 0.7, str(corpus / "data" / "ground"): 0.3},
        "dp_replicate": 1, "dp_shard": 1, "tp": 1, "ep": 1, "pp": 1, "schedule": "1f1b", "chunks": 1,
        "precision": "float32", "num_steps": 2, "batch_size": 4, "microbatch": 2, "sequence_length": 384,
        "pack_tiles": 8, "num_workers": 0, "log_every": 1, **others,
    }  # fmt: skip
    return [f"{name}={json.dumps(value)}" for name, value in values.items()]  # JSON is YAML


def log_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def tensors_of(snapshot: Path) -> dict[str, Tensor]:
    """Return all tensors of a snapshot, or of the newest of a run."""
    stored: StoredSnapshot = newest_snapshot(snapshot)
    return {key: stored.read(key) for key in stored.tensors}


def train_on_two(jobs: list[tuple[Path, list[str]]]) -> None:
    """Train recipes one after the other, on the same two processes."""
    start(train_all, free_ports(len(jobs)), jobs, count=2)


def train_all(rank: int, ports: list[int], jobs: list[tuple[Path, list[str]]]) -> None:
    # a port for each: the first process still listens for a while after a run
    for port, (path, assignments) in zip(ports, jobs, strict=True):
        told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
        os.environ.update({name: str(value) for name, value in told.items()}, MASTER_ADDR="localhost")
        train(path, assignments)


def free_ports(count: int) -> list[int]:
    with ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("localhost", 0))
        return [one.getsockname()[1] for one in sockets]
