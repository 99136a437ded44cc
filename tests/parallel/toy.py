"""Toys of the paper's shapes, steps of packed microbatches, and what one process makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from vl2.core.batch import IGNORE_INDEX, Batch, ModelInput
from vl2.core.tiles import TileGrid
from vl2.data.packing import pack
from vl2.model import PRESETS, VL2, VL2Config
from vl2.model.moe import Routing
from vl2.parallel.stage import Objective
from vl2.train.losses import next_token_loss, sequence_aux_loss
from vl2.train.objective import count_supervised, document_targets, learn

AUX_WEIGHT = 0.1  # a hundred times Table 2, so that a fault in the balance loss shows
OBJECTIVE = Objective(targets=document_targets, text=next_token_loss, balance=sequence_aux_loss, aux_weight=AUX_WEIGHT)
NUM_MICROBATCHES, ROWS, LENGTH, TILE = 8, 2, 48, 32
BLOCKS, LAYERS = 4, 5
NUM_UNITS = BLOCKS + LAYERS + 3


def toy_config(attention: str) -> VL2Config:
    """Return a small model with every part: MLA (Small, with Base's router) or MHA (Tiny), and shared experts."""
    is_mla = attention == "mla"
    pocket, official = PRESETS["pocket"], PRESETS["base" if is_mla else "tiny"].language_config
    dims = dict.fromkeys(("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim"), 8 if is_mla else 0)
    language = replace(
        official, vocab_size=96, hidden_size=32, intermediate_size=48, moe_intermediate_size=12,
        num_hidden_layers=LAYERS, num_attention_heads=4, num_key_value_heads=4, n_shared_experts=2, n_routed_experts=8,
        num_experts_per_tok=3, kv_lora_rank=16 if is_mla else None, **dims,
    )  # fmt: skip
    vision = replace(pocket.vision_config, image_size=TILE, width=16, layers=BLOCKS, heads=2, global_pool="map")
    return replace(
        pocket, vision_config=vision, projector_config=replace(pocket.projector_config, input_dim=16, n_embed=32),
        language_config=language, candidate_resolutions=((32, 32), (64, 32), (32, 64)),
    )  # fmt: skip


def toy(attention: str, frozen: str = "nothing") -> VL2:
    """Return the model, always the same; parameters whose names begin with `frozen` take no gradient."""
    torch.manual_seed(7)
    model = VL2(toy_config(attention))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("expert_bias"):
                parameter.normal_(std=0.01)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and not name.startswith(frozen))
    return model


@dataclass(frozen=True, kw_only=True)
class Step:
    """The microbatches of one step, over all processes."""

    batches: list[Batch]
    num_tokens: int

    @classmethod
    def of(cls, seed: int, *, has_images: bool, config: VL2Config, count: int = NUM_MICROBATCHES) -> Step:
        generator = torch.Generator().manual_seed(seed)
        batches = [_batch(generator, config, has_images and number % 3 != 2) for number in range(count)]
        return cls(batches=batches, num_tokens=sum(count_supervised(batch) for batch in batches))


def _batch(generator: torch.Generator, config: VL2Config, has_images: bool) -> Batch:
    rows = []
    for row in range(ROWS):
        grids = [TileGrid(1, 1 + row), None] if has_images else [None, None]
        rows.append([_document(generator, grid, config) for grid in grids])
    return pack(rows, pad_id=2, length_step=LENGTH)


def _document(generator: torch.Generator, grid: TileGrid | None, config: VL2Config) -> ModelInput:
    visual = grid.num_visual_tokens(config.tile_side) if grid else 0
    num_text = int(torch.randint(6, 14, (), generator=generator))
    ids = torch.randint(0, config.language_config.vocab_size, (visual + num_text,), generator=generator)
    image_mask = torch.arange(len(ids)) < visual
    return ModelInput(
        input_ids=ids, labels=ids.masked_fill(image_mask, IGNORE_INDEX), image_mask=image_mask,
        tiles=torch.randn(grid.num_tiles if grid else 0, 3, TILE, TILE, generator=generator),
        grids=(grid,) if grid else (),
    )  # fmt: skip


class Expected(NamedTuple):
    """What a step is in one process."""

    loss: float
    gradients: dict[str, Tensor]
    load: Tensor  # [L, E] tokens of each expert


class Load:
    """Counts the tokens of each expert, once a microbatch."""

    def __init__(self, config: VL2Config) -> None:
        language = config.language_config
        self.counts = torch.zeros(language.num_hidden_layers, language.n_routed_experts or 0, dtype=torch.long)

    def add(self, routing: Mapping[int, Routing], microbatch: int) -> None:
        for layer, decided in routing.items():
            self.counts[layer] += decided.topk_ids.flatten().bincount(minlength=self.counts.shape[1])


def alone(model: VL2, step: Step) -> Expected:
    """Run a step in one process, through the model's own forward pass. Gradients stay on the model too."""
    model.zero_grad()
    total, load = 0.0, Load(model.config)
    for number, batch in enumerate(step.batches):
        learned = learn(model, batch)
        loss = learned.loss(step.num_tokens, AUX_WEIGHT)
        loss.backward()
        load.add(learned.routing, number)
        total += float(loss.detach())
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return Expected(total, gradients, load.counts)
