"""What one training run needs; a recipe is this as YAML."""

from __future__ import annotations

from dataclasses import dataclass

from vl2.core.precision import Precision


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One stage of training. Learning rates hold from the end of warm-up until the decay begins."""

    stage: str  # a row of STAGES
    out: str  # the folder of this run: log, checkpoints
    data: str  # the folder of shard folders
    mix: dict[str, float]  # shard folder: share of the samples
    tokenizer: str  # a folder with the tokenizer and processor files
    preset: str = "pocket"
    init: tuple[str, ...] = ()  # earlier runs, each brings the modules it trained; or a model folder
    num_steps: int = 1000
    batch_size: int = 96  # samples a step, over all processes
    large_share: float = 1.0  # of the samples with pictures of several tiles, keep this share
    muon_lr: float = 0.01
    adam_lr: float = 2e-3
    weight_decay: float = 0.1
    clip: float = 1.0
    warmup_steps: int = 50
    decay_from: float = 0.7  # linear decay to zero over the rest of the steps; 1 keeps the rate
    slot_weight: float = 1.0  # weight of the dense targets beside the next-token loss
    point_weight: float = 0.0  # weight of showing the language model where in the picture its next token stands
    aux_weight: float = 1e-3  # weight of the expert balance loss (paper, Table 2)
    precision: Precision = "bfloat16"  # of the computation, see core/precision.py
    seed: int = 0
    first_sample: int = 0  # where in the mixture to begin
    log_every: int = 20
    save_every: int = 200
