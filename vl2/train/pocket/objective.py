"""The loss of pocket's stages: next tokens, boxes, balance of experts, slots of letters and figures, pointers."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from vl2.core.batch import IGNORE_INDEX, PADDING, Batch
from vl2.data.loader import Microbatch
from vl2.data.pointers import Pointers
from vl2.kernels import Backends
from vl2.model import VL2
from vl2.model.adaptor import layout
from vl2.train.losses import (
    CoordinateTokens,
    coordinate_loss,
    is_coordinate,
    next_token_loss,
    sequence_aux_loss,
    shifted_targets,
)  # fmt: skip
from vl2.train.pocket.config import RunConfig
from vl2.train.pocket.heads import SlotHead
from vl2.train.pocket.pointing import PointingAttention
from vl2.train.pocket.slot_loss import slot_accuracy, slot_loss
from vl2.train.stages import STAGES
from vl2.train.watch import attended_keys

MEANS = ("text", "coordinates", "num_coordinates", "slots", "characters", "figures", "pointing")  # of a unit of weight
TALLIED = ("weight", "balance", "tokens", "tiles", "keys", *MEANS)
Tally = dict[str, float]  # sums over one step, by name; processes add theirs before they become means


class Objective:
    """What a stage asks of the model."""

    def __init__(self, config: RunConfig, model: VL2, slot_head: SlotHead, tokens: CoordinateTokens) -> None:
        self.config, self.model, self.slot_head, self.tokens = config, model, slot_head, tokens
        self.stage = STAGES[config.stage]

    def __call__(self, microbatch: Microbatch, tally: Tally, backends: Backends) -> Tensor:
        """Return the summed loss of a microbatch; what is a mean is weighted by its supervised tokens."""
        batch, features = microbatch.batch, None
        if batch.tiles is not None:
            features = self.model.adaptor(self.model.vision(batch.tiles, backends))
        if self.stage.supervises == "slots":
            weight = float(len(batch.tiles)) if batch.tiles is not None else 0.0
            text_loss = torch.zeros(())
        else:
            text_loss, weight = self._text_loss(batch, features, microbatch.pointers, tally, backends)
        loss = text_loss
        if features is not None and microbatch.slots is not None and self.config.slot_weight:
            prediction = self.slot_head(features)
            dense = slot_loss(prediction, microbatch.slots)
            loss = loss + self.config.slot_weight * weight * dense
            characters, figures = slot_accuracy(prediction, microbatch.slots)
            _add(tally, slots=float(dense.detach()) * weight, characters=characters * weight, figures=figures * weight)
        _add(tally, weight=weight, tiles=len(batch.tiles) if batch.tiles is not None else 0)
        return loss

    def _text_loss(
        self, batch: Batch, features: Tensor | None, pointers: Pointers | None, tally: Tally, backends: Backends
    ) -> tuple[Tensor, float]:
        model, labels = self.model, batch.labels
        assert labels is not None  # the loader labels every batch
        if features is not None:
            visual = layout(features, batch.grids, model.tile_newline, model.view_separator)
            batch = replace(batch, visual_embeds=visual)
        guide = None
        if pointers is not None:
            guide = PointingAttention(backends, pointers, len(model.language.layers) // 2)
            backends = replace(backends, attention=guide, document_attention=guide)
        hidden = model.language(model.embed(batch), batch.positions, batch.documents, None, backends)
        targets = shifted_targets(labels)  # [B, T]
        asked = targets != IGNORE_INDEX  # [B, T]
        soft = is_coordinate(batch.input_ids, self.tokens) & asked  # [B, T]
        hard = asked & ~soft  # [B, T]
        plain = next_token_loss(model.logits(hidden.states[hard]), targets[hard])
        boxes = torch.zeros(())
        if soft.any():
            boxes = coordinate_loss(model.logits(hidden.states[soft]), targets[soft], self.tokens)
        weight = float(asked.sum())
        balance = sum(
            (sequence_aux_loss(routing, len(labels)) for routing in hidden.routing.values()), start=torch.zeros(())
        )
        num_tokens = float((batch.documents != PADDING).sum())
        _add(tally, tokens=num_tokens, keys=attended_keys(batch) * num_tokens, num_coordinates=float(soft.sum()))
        _add(tally, text=float(plain.detach()), coordinates=float(boxes.detach()))
        _add(tally, balance=float(balance.detach()) * weight)
        loss = plain + boxes + self.config.aux_weight * weight * balance
        if guide is not None:
            _add(tally, pointing=float(guide.loss.detach()) * weight)
            loss = loss + self.config.point_weight * weight * guide.loss
        return loss, weight


def _add(tally: Tally, **values: float) -> None:
    for name, value in values.items():
        tally[name] += value
