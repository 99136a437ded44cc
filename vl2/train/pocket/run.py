"""Build everything that a recipe of pocket names, and train."""

from __future__ import annotations

import os
from collections import Counter
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist

from vl2.core.batch import ModelInput
from vl2.core.errors import ConfigError
from vl2.core.sample import Sample
from vl2.data.loader import Loader
from vl2.data.mixture import Mixture
from vl2.data.pointers import Pointer
from vl2.data.slots import FigureClasses
from vl2.data.transcribe import transcribe
from vl2.model import PRESETS, VL2
from vl2.processor.processor import Processor
from vl2.train.checkpoint import load_checkpoint
from vl2.train.losses import coordinate_tokens
from vl2.train.pocket.config import RunConfig
from vl2.train.pocket.initial import initialise
from vl2.train.pocket.trainer import Trainer, load_modules, load_slot_head
from vl2.train.stages import STAGES
from vl2.weights import load_model


def train_pocket(config: RunConfig, recipe: str) -> None:
    """Train pocket from nothing. Raises VL2Error on whatever the config names wrongly."""
    if config.stage not in STAGES:
        raise ConfigError(recipe, "unknown stage", got=config.stage, expected=", ".join(STAGES))
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "8192")  # every size of a matrix product is an entry
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        dist.init_process_group("gloo")
    try:
        build_trainer(config).run()
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def build_trainer(config: RunConfig) -> Trainer:
    """Return a trainer with its model, data and first weights."""
    processor = Processor.from_directory(config.tokenizer)
    model_config = PRESETS[config.preset]
    loader = Loader(
        process=partial(process, processor, config.stage),
        pad_id=processor.pad_id,
        tile_size=model_config.vision_config.image_size,
        side=processor.settings.side,
        classes=FigureClasses.from_corpus(Path(config.data)),
        skipped=Counter(),
        large_share=config.large_share,
        point=Pointer(processor.tokenizer, model_config.vision_config.image_size, processor.settings.side)
        if config.point_weight
        else None,
    )
    tokens = coordinate_tokens(processor.tokenizer)
    torch.manual_seed(config.seed)
    model = VL2(model_config)
    initialise(model, tokens.ids)
    trainer = Trainer(config, model, loader, Mixture(Path(config.data), config.mix, config.seed), tokens)
    for earlier in config.init:
        take_over(trainer, Path(earlier))
    trainer.optimizer.take_weights()
    return trainer


def take_over(trainer: Trainer, earlier: Path) -> None:
    """Take the modules that an earlier run trained, or a whole model folder."""
    if (earlier / "config.json").is_file():
        weights = {f"model.{name}": tensor for name, tensor in load_model(earlier).state_dict().items()}
        load_modules(trainer.model, weights, prefixes=("",))
        return
    tensors, state = load_checkpoint(earlier / "checkpoint")
    stage = STAGES[state["config"]["stage"]]
    load_modules(trainer.model, tensors, stage.trains)
    if stage.sees_images:
        load_slot_head(trainer.slot_head, tensors)


def process(processor: Processor, stage: str, sample: Sample) -> ModelInput:
    """Return the model input of a sample as the stage wants it: told in text, or seen; all text or answers."""
    row = STAGES[stage]
    if not row.sees_images:
        sample = transcribe(sample)
    return processor(sample, for_training=True, mask_prompt=row.supervises == "answers")
