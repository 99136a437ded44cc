"""Calibration: second moments of what weights are multiplied with, seen on real inputs, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vl2.core.batch import PADDING, Batch
from vl2.kernels import Backends
from vl2.model.moe import MoE, RoutedExperts, Routing
from vl2.weights.streamed import StreamedModel, streamed_model

# An expert that few tokens chose leans on what its layer's other tokens say, as if so many of them were its own.
BORROWED_TOKENS = 32
HEAD = "language.head.weight"

Moments = Mapping[str, Tensor]  # by the name of a parameter: [K, K], or [E, K, K] for stacked experts


@torch.inference_mode()
def calibrate(
    path_or_name: str | Path, batch: Batch, wanted: Collection[str], found: Callable[[Moments], None]
) -> None:
    """Run a batch through a checkpoint and tell `found` the moments of the wanted weights of each layer as it has run.

    One layer and its moments are in memory at a time.
    """
    is_real = batch.documents != PADDING  # [B, T]
    sums = _Sums()
    with streamed_model(path_or_name) as streamed:
        model = streamed.model
        for name, module in model.named_modules():
            real = partial(_real_rows, streamed, is_real)
            if isinstance(module, nn.Linear) and f"{name}.weight" in wanted:
                rows = real if name.startswith("language.") else None  # tiles have no padding
                module.register_forward_pre_hook(partial(_note, sums, f"{name}.weight", rows))
            if isinstance(module, MoE) and f"{name}.routed_experts.gate" in wanted:
                module.dispatch = partial(_note_experts, sums, f"{name}.routed_experts", real, module.routed_experts)
        streamed.after_layer = lambda name: found(sums.take())
        embeds = model.embed(batch)  # [B, T, D]
        states = model.language(embeds, batch.positions, batch.documents, None, model.backends).states  # [B, T, D]
    if HEAD in wanted:  # it need not run to tell what it reads
        sums.add(HEAD, states[is_real])
        found(sums.take())


class _Sums:
    """Sums of outer products of inputs, and how many they are."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}  # of shape [K, K], or [E, K, K]
        self.counts: dict[str, Tensor] = {}  # of shape [], or [E]

    def add(self, name: str, x: Tensor) -> None:
        """Count inputs x [.., K] of a weight."""
        rows = x.flatten(0, -2).float()
        self.sums[name] = self.sums.get(name, 0) + rows.T @ rows
        self.counts[name] = self.counts.get(name, torch.zeros(())) + len(rows)

    def add_expert(self, name: str, expert: int, num_experts: int, x: Tensor) -> None:
        """Count inputs x [N, K] of one expert's slice of a stacked weight."""
        if name not in self.sums:
            self.sums[name] = torch.zeros(num_experts, x.shape[1], x.shape[1])
            self.counts[name] = torch.zeros(num_experts)
        rows = x.float()
        self.sums[name][expert].addmm_(rows.T, rows)
        self.counts[name][expert] += len(rows)

    def take(self) -> Moments:
        """Return the means of all that was counted since the last time."""
        means = {name: _means(sums, self.counts[name]) for name, sums in self.sums.items()}
        self.sums, self.counts = {}, {}
        both = {f"{name.removesuffix('gate')}up": read for name, read in means.items() if name.endswith("experts.gate")}
        return means | both  # an expert's gate and up read the same


def _means(sums: Tensor, counts: Tensor) -> Tensor:
    if counts.dim() == 0:
        return sums / counts
    layer = sums.sum(0) / counts.sum()  # [K, K]
    return sums.add_(layer, alpha=BORROWED_TOKENS).div_(counts[:, None, None] + BORROWED_TOKENS)  # [E, K, K]


def _real_rows(streamed: StreamedModel, is_real: Tensor) -> Tensor:
    """Tell tokens from padding in the rows that run now."""
    return is_real[streamed.rows]


def _note(
    sums: _Sums, name: str, is_real: Callable[[], Tensor] | None, _: nn.Module, inputs: tuple[Tensor, ...]
) -> None:
    sums.add(name, inputs[0] if is_real is None else inputs[0][is_real()])


def _note_experts(
    sums: _Sums, name: str, is_real: Callable[[], Tensor], experts: RoutedExperts,
    x: Tensor, routing: Routing, backends: Backends,
) -> Tensor:  # fmt: skip
    """Stand in for the forward of RoutedExperts: note what each expert's three weights read, then do the same."""
    chosen = routing.topk_ids[is_real().flatten()]  # [n, K]
    real = x[is_real().flatten()]  # [n, D]
    for expert in chosen.unique().tolist():
        share = real[(chosen == expert).any(-1)]  # [s, D]
        hidden = F.silu(F.linear(share, experts.gate[expert])) * F.linear(share, experts.up[expert])  # [s, F]
        sums.add_expert(f"{name}.gate", expert, len(experts.gate), share)
        sums.add_expert(f"{name}.down", expert, len(experts.gate), hidden)
    return experts(x, routing, backends)
