"""The stages of the model: vision, adaptor, embeddings, hidden states, routing, logits and loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vl2.core.batch import IGNORE_INDEX, ModelInput
from vl2.evaluation.parity.compare import (
    INCOMPARABLE,
    LOGIT_BOUND,
    LOSS_BOUND,
    MARGIN_BOUND,
    STATE_BOUND,
    Comparison,
)
from vl2.evaluation.parity.inputs import reference_tiles
from vl2.evaluation.parity.recording import Case
from vl2.evaluation.parity.trace import Trace

VISION_SAMPLE = (slice(None), slice(None, None, 104), slice(None, None, 5))
ADAPTOR_SAMPLE = (slice(None), slice(None, None, 39), slice(None, None, 6))
LOGIT_SAMPLE = slice(3, None, 17)


@dataclass(frozen=True)
class Places:
    """Where the rows of a batch stand: ours are padded on the right, the recorded ones on the left."""

    lengths: list[int]

    @classmethod
    def of(cls, rows: list[ModelInput]) -> Places:
        """Return the places of these rows."""
        return cls([len(row.input_ids) for row in rows])

    def sampled(self, values: Tensor, positions: list[list[int]]) -> Tensor:
        """Return the entries of values [B, T, ..] at recorded positions, all rows one after the other."""
        width = max(self.lengths)
        rows = zip(values, positions, self.lengths, strict=True)
        return torch.cat([row[torch.tensor(chosen) - (width - length)] for row, chosen, length in rows])

    def ours(self, values: Tensor) -> Tensor:
        """Return the unpadded entries of our values [B, T, ..], all rows one after the other."""
        return torch.cat([row[:length] for row, length in zip(values, self.lengths, strict=True)])

    def theirs(self, values: Tensor) -> Tensor:
        """Return the unpadded entries of recorded values [B, T, ..], all rows one after the other."""
        return torch.cat([row[len(row) - length :] for row, length in zip(values, self.lengths, strict=True)])

    def last(self, values: Tensor) -> Tensor:
        """Return the last unpadded entry of each row of our values [B, T, ..]."""
        return torch.stack([row[length - 1] for row, length in zip(values, self.lengths, strict=True)])


def compare_stages(case: Case, found: Trace, rows: list[ModelInput], out: Comparison) -> None:
    """Compare everything that a forward pass computes."""
    places = Places.of(rows)
    positions = case.values.take("sample_positions")
    _compare_tiles(case, found, rows, out)
    if positions is not None:
        _compare_hidden(case, found, places, positions, out)
        _compare_sampled_routing(case, found, places, positions, out)
    _compare_routing(case, found, places, out)
    _compare_logits(case, found, places, positions, out)
    loss = case.values.take("eval_loss")
    if loss is not None:
        out.close("loss", next_token_loss(found.logits, rows[0]), loss, LOSS_BOUND)


def next_token_loss(logits: Tensor, row: ModelInput) -> Tensor:
    """Return the mean cross-entropy of logits [1, T, V] against the next label of one row."""
    return F.cross_entropy(logits[0, :-1], row.labels[1:], ignore_index=IGNORE_INDEX)


def _compare_tiles(case: Case, found: Trace, rows: list[ModelInput], out: Comparison) -> None:
    order = reference_tiles(tuple(grid for row in rows for grid in row.grids))
    for name, stage, ours, sample in (
        ("vision", "vision", found.vision, VISION_SAMPLE),
        ("projector", "adaptor", found.adaptor, ADAPTOR_SAMPLE),
    ):
        theirs, summary = case.tensors.take(name), case.values.take(name)
        if ours is None:
            if theirs is not None:
                out.add(stage, 0, INCOMPARABLE, STATE_BOUND, "no tiles were encoded")
            continue
        ours = ours.detach()[order]  # [N, P, C]
        if theirs is not None:
            out.close(stage, ours[sample], theirs, STATE_BOUND)
        if summary is not None:
            out.exact(f"{stage} shape", list(ours.shape), summary["shape"])
            out.close(f"{stage} mean", ours.double().mean((1, 2)), summary["mean"], STATE_BOUND)
            out.close(f"{stage} deviation", ours.double().std((1, 2)), summary["std"], STATE_BOUND)


def _compare_hidden(case: Case, found: Trace, places: Places, positions: list[list[int]], out: Comparison) -> None:
    for number, states in enumerate(found.hidden):
        name, stage = (f"hidden.{number}", "hidden states") if number else ("inputs_embeds", "embeddings")
        theirs = case.tensors.take(name)
        if theirs is not None:
            out.close(stage, places.sampled(states, positions), theirs, STATE_BOUND)


def _compare_sampled_routing(
    case: Case, found: Trace, places: Places, positions: list[list[int]], out: Comparison
) -> None:
    for layer, (ids, weights) in _sorted_routing(found, places).items():
        theirs = case.tensors.take(f"topk_idx_sampled.{layer}")
        if theirs is not None:
            out.exact("experts, sampled", places.sampled(ids, positions), theirs)
        theirs = case.tensors.take(f"topk_weight_sampled.{layer}")
        if theirs is not None:
            out.close("expert weights", places.sampled(weights, positions), theirs, STATE_BOUND)


def _compare_routing(case: Case, found: Trace, places: Places, out: Comparison) -> None:
    for layer, (ids, _) in _sorted_routing(found, places).items():
        theirs = case.tensors.take(f"topk_idx.{layer}")
        if theirs is not None:
            out.exact("experts", places.ours(ids), places.theirs(theirs))
        load = case.values.take("expert_load", str(layer))
        if load is not None:
            out.exact("expert load", places.ours(ids).flatten().bincount(minlength=len(load)), load)


def _sorted_routing(found: Trace, places: Places) -> dict[int, tuple[Tensor, Tensor]]:
    """Return ids [B, T, K] and weights [B, T, K] of each MoE layer, experts in ascending order."""
    shape = (len(places.lengths), max(places.lengths), -1)
    result: dict[int, tuple[Tensor, Tensor]] = {}
    for layer, routing in found.routing.items():
        ids, order = routing.topk_ids.sort(dim=-1)
        weights = routing.topk_weights.detach().gather(-1, order)
        result[layer] = ids.view(shape), weights.view(shape)
    return result


def _compare_logits(
    case: Case, found: Trace, places: Places, positions: list[list[int]] | None, out: Comparison
) -> None:
    logits = found.logits.detach()
    theirs = case.tensors.take("logits")
    if theirs is not None and positions is not None:
        out.close("logits", places.sampled(logits, positions)[:, LOGIT_SAMPLE], theirs, LOGIT_BOUND)
    theirs = case.tensors.take("last_logits")
    if theirs is not None:
        out.close("last logits", places.last(logits), theirs, LOGIT_BOUND)
    stats = case.values.take("logits_stats")
    if stats is not None:
        unpadded = places.ours(logits).double()
        ours = [unpadded.mean().item(), unpadded.std().item()]
        out.close("logit statistics", ours, [stats["mean"], stats["std"]], LOGIT_BOUND)
    argmax = case.values.take("argmax_all")
    if argmax is not None:
        _compare_argmax(places.ours(logits), torch.tensor([token for row in argmax for token in row]), out)


def _compare_argmax(logits: Tensor, theirs: Tensor, out: Comparison) -> None:
    """Count positions whose likeliest token differs by more than two logits may differ."""
    if len(logits) != len(theirs):
        out.add("likeliest tokens", len(theirs), INCOMPARABLE, 0, f"{len(logits)} positions for {len(theirs)}")
        return
    behind = logits.amax(-1) - logits.gather(-1, theirs[:, None])[:, 0]
    out.add("likeliest tokens", len(theirs), int((behind > MARGIN_BOUND).sum()), 0)
