"""The training stages: losses and gradients, with and without the balance loss of the experts."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from vl2.core.batch import ModelInput
from vl2.evaluation.parity.compare import LOSS_BOUND, Comparison
from vl2.evaluation.parity.recording import Case
from vl2.evaluation.parity.stages import next_token_loss
from vl2.evaluation.parity.trace import Trace
from vl2.model import VL2
from vl2.train.losses import sequence_aux_loss
from vl2.weights.names import official_key, places_of

NUM_SAMPLED = 8  # entries of each gradient
# Norms below this share of the whole are held against it: their own relative noise says nothing.
NEGLIGIBLE_SHARE = 1e-5

Gradients = dict[str, Tensor]  # by official key


def compare_gradients(case: Case, found: Trace, row: ModelInput, model: VL2, aux_alpha: float, out: Comparison) -> None:
    """Compare losses and gradients of one row; `found` must carry its graph."""
    without, with_aux = case.values.take("train_no_aux"), case.values.take("train_aux")
    sampled = {key: case.tensors.take(f"grad.{key}") for key in official_keys(model)}
    if without is None and with_aux is None:
        return
    loss = next_token_loss(found.logits, row)
    model.zero_grad()
    loss.backward(retain_graph=with_aux is not None)
    if without is not None:
        _compare_training("training", without, loss, gradients(model), out)
    _compare_samples(gradients(model), sampled, out)
    if with_aux is not None:
        # the balance loss adds to the gradient, not to the reported loss; gradients add up
        balance = torch.stack([sequence_aux_loss(routing, 1) for routing in found.routing.values()])
        (aux_alpha * balance.sum()).backward()
        _compare_training("training with balance loss", with_aux, loss, gradients(model), out)
    model.zero_grad()


def official_keys(model: VL2) -> list[str]:
    """Return the official keys of all parameters, one of each expert."""
    places = [place for name, parameter in model.named_parameters() for place in places_of(name, parameter)]
    return [key for place in places if (key := official_key(place)) is not None]


def gradients(model: VL2) -> Gradients:
    """Return the gradient of every parameter that has one, by official key; experts apart."""
    found: Gradients = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            continue
        for place in places_of(name, parameter):
            key = official_key(place)
            if key is not None:
                found[key] = parameter.grad if place.expert is None else parameter.grad[place.expert]
    return found


def _compare_training(stage: str, theirs: dict[str, Any], loss: Tensor, found: Gradients, out: Comparison) -> None:
    norms = {key: gradient.norm().item() for key, gradient in found.items()}
    total = math.sqrt(sum(norm**2 for norm in norms.values()))
    floor = NEGLIGIBLE_SHARE * theirs["total_grad_norm"]
    out.close(f"{stage}: loss", loss, theirs["loss"], LOSS_BOUND)
    out.relative(f"{stage}: gradient norm", total, theirs["total_grad_norm"], floor=floor)
    recorded = theirs.get("grad_norm")
    if recorded is not None:
        # None: the parameter took no part; with us, its expert's slice is zero
        ours = [norms.pop(key, 0.0) for key in recorded]
        out.relative(f"{stage}: gradient norms", ours, [norm or 0.0 for norm in recorded.values()], floor=floor)
        left_over = sum(norm > 0 for norm in norms.values())
        out.add(f"{stage}: gradients beside", max(len(norms), 1), left_over, 0)
    unknown = theirs.keys() - {"loss", "total_grad_norm", "grad_norm"}
    if unknown:
        out.add(f"{stage}: entries not compared", len(unknown), len(unknown), 0, ", ".join(sorted(unknown)))


def _compare_samples(found: Gradients, sampled: dict[str, Tensor | None], out: Comparison) -> None:
    """Compare strided entries of each gradient, relative to the largest of them."""
    total = math.sqrt(sum(gradient.norm().item() ** 2 for gradient in found.values()))
    for key, theirs in sampled.items():
        if theirs is None:
            continue
        gradient = found[key].flatten()
        ours = gradient[:: max(1, len(gradient) // NUM_SAMPLED)][:NUM_SAMPLED]
        floor = max(theirs.abs().max().item(), NEGLIGIBLE_SHARE * total)  # an expert nobody chose has none
        out.relative("training: gradients, sampled", ours, theirs, floor=floor)
