"""Stage: the forward pass of a part of the model. The balance loss of all layers so far travels with activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vl2.core.batch import IGNORE_INDEX, PADDING, Batch
from vl2.model import VL2
from vl2.model.language import mask_of
from vl2.model.moe import Routing
from vl2.parallel.units import Part


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is minimised: a sum over supervised tokens, so that any split of a step adds up to the same."""

    targets: Callable[[Batch], Tensor]  # what each position should predict [B, T], IGNORE_INDEX where nothing
    text: Callable[[Tensor, Tensor], Tensor]  # logits [M, V] and targets [M] to a sum over them
    # the routing of one layer, the number of rows, and which tokens are no padding [B, T], to a mean over rows
    balance: Callable[[Routing, int, Tensor], Tensor]
    aux_weight: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What may be looked at on the way, once a microbatch, recomputed or not."""

    routing: Callable[[Mapping[int, Routing], int], None] = lambda routing, microbatch: None
    # logits [M, V], targets [M], the summed text loss and the balance loss of all layers
    learned: Callable[[Tensor, Tensor, Tensor, Tensor], None] = lambda logits, targets, text, balance: None


class Stage:
    """Stands in the place of the model's own `forward`, so that wrappers see one module and names stay as they are."""

    def __init__(self, model: VL2, part: Part, objective: Objective, dtype: torch.dtype) -> None:
        self.model, self.part, self.objective, self.dtype = model, part, objective, dtype
        self.watch = Watch()
        self.encode: Callable[[Tensor], Tensor] = self._encode  # what levels tiles over processes goes around it

    def __call__(
        self,
        x: Tensor,
        balance: Tensor | None = None,
        *,
        input_ids: Tensor,
        positions: Tensor,
        documents: Tensor,
        places: Tensor,
        targets: Tensor,
        share: Tensor,
        number: Tensor,
    ) -> tuple[Tensor, Tensor] | Tensor:
        """Return the activations for the next stage and the balance loss [1] so far; the last stage its loss [1].

        The first stage reads tiles [N, 3, S, S]. Where there are none a blank [1] goes through the vision stages.
        """
        part = self.part
        if balance is None:
            balance = torch.zeros(1, device=x.device, requires_grad=True)
        else:
            x, balance = _received(x), _received(balance) + 0  # may be sent on: not a view, which none could detach
        x = self._see(x)
        if part.has_embedding:
            x = self._embed(x, input_ids, places)  # [B, T, D]
        x, balance = self._think(x, balance, positions, documents, int(number))
        if part.has_head:
            return self._learn(x, balance, targets, share)
        return x.contiguous(), balance  # only contiguous tensors can be sent

    def _see(self, x: Tensor) -> Tensor:
        """Return the next activations of the vision tower, or the embeddings of all tiles [N*Q*Q+2, D]."""
        part, model = self.part, self.model
        if part.has_patches and (x.ndim == 1 or not len(x)):
            return torch.zeros(1, dtype=self.dtype, device=x.device, requires_grad=True)
        if x.ndim == 1:
            return x + 0  # no view either
        x = self.encode(x)
        if part.has_adaptor:
            x = torch.cat((x.flatten(0, 1), model.tile_newline[None], model.view_separator[None]))  # [N*Q*Q+2, D]
        return x

    def _encode(self, x: Tensor) -> Tensor:
        """Run the vision units on x, tiles or features."""
        part, model = self.part, self.model
        if part.has_patches:
            x = model.vision.embed(x)  # [N, P, C]
        for number in part.blocks:
            x = model.vision.blocks[number](x, model.backends)  # [N, P, C]
        if part.has_vision_norm:
            x = model.vision.norm(x)  # [N, P, C]
        return model.adaptor(x) if part.has_adaptor else x

    def _embed(self, x: Tensor, input_ids: Tensor, places: Tensor) -> Tensor:
        """Return token embeddings [B, T, D] with visual tokens in their places."""
        embeds = self.model.language.embedding(input_ids)  # [B, T, D]
        if x.ndim == 1:
            return embeds + 0 * x  # in the graph, so that stages before get a gradient too
        visual = x.index_select(0, places.clamp(min=0).flatten()).view_as(embeds)  # [B, T, D]
        return torch.where(places[..., None] >= 0, visual, embeds)  # [B, T, D]

    def _think(
        self, x: Tensor, balance: Tensor, positions: Tensor, documents: Tensor, number: int
    ) -> tuple[Tensor, Tensor]:
        """Run the language layers on x [B, T, D]."""
        if not self.part.layers:
            return x, balance
        model, routing = self.model, {}
        table, mask = model.language.rope(positions), mask_of(documents, x, model.backends)
        for layer in self.part.layers:
            x, decided = model.language.layers[layer](x, table, positions, mask, None, model.backends)
            if decided is not None:
                routing[layer] = decided
                balance = balance + self.objective.balance(decided, len(x), documents != PADDING)
        self.watch.routing(routing, number)
        return x, balance

    def _learn(self, x: Tensor, balance: Tensor, targets: Tensor, share: Tensor) -> Tensor:
        """Return this microbatch's part of the loss of the step [1]."""
        asked = targets != IGNORE_INDEX  # [B, T]
        wanted = targets[asked]  # [M]
        logits = self.model.logits(self.model.language.norm(x)[asked])  # [M, V]
        text = self.objective.text(logits, wanted)
        self.watch.learned(logits.detach(), wanted, text.detach(), balance.detach())
        return (text + self.objective.aux_weight * len(wanted) * balance) * share  # [1]


def _received(x: Tensor) -> Tensor:
    return _Received.apply(x)  # type: ignore[no-any-return]


class _Received(torch.autograd.Function):
    """What came from another stage; only contiguous gradients can be sent back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0].contiguous()
