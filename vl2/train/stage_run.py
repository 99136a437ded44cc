"""Build everything that a recipe of a paper stage names, and train."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist

from vl2.core.errors import ConfigError
from vl2.data.records import open_records
from vl2.kernels import Backends
from vl2.model import VL2Config
from vl2.parallel.apply import ParallelModel, filled_up, parallelize
from vl2.parallel.mesh import Meshes
from vl2.parallel.plan import Degrees, ParallelPlan
from vl2.parallel.stage import Objective
from vl2.processor import Processor
from vl2.train.adamw import adamw
from vl2.train.first_weights import FirstWeights
from vl2.train.groups import parameter_groups, rate_factors
from vl2.train.level_tiles import level_tiles
from vl2.train.losses import next_token_loss, sequence_aux_loss
from vl2.train.objective import document_targets
from vl2.train.planning.flops import packed_traffic, unit_work
from vl2.train.planning.stages import plan_stages
from vl2.train.planning.units import units_of
from vl2.train.processes import precision_of_all, process_group
from vl2.train.snapshots import Snapshots
from vl2.train.stage_data import held_out_batches, open_stream
from vl2.train.stage_trainer import Parts, StageTrainer
from vl2.train.train_config import TrainConfig
from vl2.train.watch import Meter, Watcher, peak_flops
from vl2.weights.empty import empty_model


def train_stage(config: TrainConfig) -> None:
    """Train a stage, alone or as one of torchrun's processes, from its last snapshot when there is one.

    Raises VL2Error on whatever the recipe names wrongly.
    """
    # nothing here is done in place to what modules return, of which FSDP warns at every start
    warnings.filterwarnings("ignore", "FSDP2-wrapped module")
    with process_group() as device, ExitStack() as opened:
        trainer = build_stage(config, device, opened)
        if dist.get_rank():
            trainer.run(lambda figures: None)
            return
        trainer.run(opened.enter_context(_watcher(trainer, device)))


def build_stage(config: TrainConfig, device: torch.device, opened: ExitStack) -> StageTrainer:
    """Return a trainer with its model, optimizer and data; `opened` closes what has to be closed."""
    first = FirstWeights(config.model)
    processor = Processor.from_directory(config.tokenizer or (config.model if first.is_run else first.folder))
    model = laid_out(config, first.config, device)
    optimizer = adamw(parameter_groups(model, config.row), config.row, device)
    snapshots = Snapshots(Path(config.out), config.keep_last)
    restored = snapshots.restore(model, optimizer)
    if restored is None:
        first.load(model)
    rank = model.meshes.data_rank
    num_lanes = config.num_lanes or config.data_parallel
    if restored is not None and config.num_lanes is None:
        num_lanes = restored.stream.fingerprint["num_lanes"]  # fixed for a run, whatever processes share it now
    stream = opened.enter_context(open_stream(config, processor, rank, num_lanes))
    held_out = None
    if config.eval_data:
        held_out = partial(held_out_batches, open_records(config.eval_data), config, processor, rank)
    parts = Parts(
        config=config, model=model, optimizer=optimizer, stream=stream, snapshots=snapshots, held_out=held_out
    )
    return StageTrainer(parts, restored)


def laid_out(config: TrainConfig, model_config: VL2Config, device: torch.device) -> ParallelModel:
    """Return a model in the layout of a run; what stands still in the stage is frozen, and no weight has a value yet.

    Raises ConfigError on a layout that cannot run.
    """
    row = config.row
    if row.bias_step is not None and model_config.language_config.topk_method != "noaux_tc":
        raise ConfigError(
            "variant", f"{config.variant} balances by a bias that the routers of {config.model} lack",
            got=model_config.language_config.topk_method, expected="noaux_tc",
        )  # fmt: skip
    plan = plan_of(config, model_config, device)
    plan.check(dist.get_world_size(), model_config)
    empty = empty_model(model_config, torch.float32, Backends.best(device))
    parameter_groups(empty, row)
    objective = Objective(
        targets=document_targets, text=next_token_loss, balance=sequence_aux_loss, aux_weight=row.aux_weight
    )
    model = parallelize(empty, Meshes.of(plan, device), plan, objective)
    for part in model.models.values():
        part.to_empty(device=device)
    if config.level_tiles:
        level_tiles(model)
    return model


def plan_of(config: TrainConfig, model_config: VL2Config, device: torch.device) -> ParallelPlan:
    """Return the parallel plan of a run; a pipeline's stages are equal in work at the run's share of visual tokens."""
    row, ends = config.row, ()
    if config.pp > 1:
        traffic = packed_traffic(
            model_config, tokens=row.sequence_length * config.microbatch, visual_share=config.visual_share,
            learned_share=1 - config.visual_share,
        )  # fmt: skip
        if traffic.tiles:
            traffic = replace(traffic, tiles=filled_up(config.pack_tiles) * config.microbatch)
        ends = plan_stages(
            units_of(model_config), config.num_stages, lambda unit: unit_work(unit, traffic, row).total
        ).ends
    return ParallelPlan(
        **{field.name: getattr(config, field.name) for field in fields(Degrees)},
        stage_ends=ends,
        num_microbatches=config.num_microbatches,
        precision=precision_of_all(config.precision, device),
    )


def _watcher(trainer: StageTrainer, device: torch.device) -> Watcher:
    config, model = trainer.config, trainer.model
    meter = Meter(
        config=next(iter(model.models.values())).config,
        weights=rate_factors(config.row),
        peak_flops=peak_flops(device, config.precision, dist.get_world_size()),
    )
    return Watcher(
        Path(config.out), num_steps=config.steps, first_step=trainer.step, log_every=config.log_every, meter=meter,
        config=asdict(config), wandb_project=config.wandb_project,
    )  # fmt: skip
