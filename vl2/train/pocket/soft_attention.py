"""Keep attention soft: a head whose scores grow past a limit has its queries scaled back (QK-clip; Kimi K2, 2025).

Muon lets scores grow without end. A softmax that has become one-hot passes no gradient to what it does not look at, so
a language model would never learn to look at its picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import cycle

import torch
import torch.distributed as dist
from torch import Tensor

from vl2.kernels import Backends
from vl2.model import VL2
from vl2.model.attention import Mask, attend
from vl2.model.language import additive

SCORE_LIMIT = 20.0


class ScoreWatch:
    """Attention that also keeps the highest score of each head, under the name of the weights that make its queries."""

    def __init__(self, model: VL2) -> None:
        config = model.config.language_config
        vision = [f"vision.blocks.{block}.attention.qkv" for block in range(len(model.vision.blocks))]
        last = "query_up" if config.q_lora_rank else "query"
        layers = [f"language.layers.{layer}.attention.{last}" for layer in range(len(model.language.layers))]
        self.backends = model.backends
        self.vision, self.layers = cycle(vision), cycle(layers)
        heads = dict.fromkeys(vision, model.config.vision_config.heads) | dict.fromkeys(
            layers, config.num_attention_heads
        )
        self.peaks = {name: torch.zeros(num) for name, num in heads.items()}

    @torch.no_grad()
    def note(self, scores: Tensor, mask: Mask | None) -> None:
        """Take the peaks of scores [B, H, T, S]. The vision tower has no mask, the language model always one."""
        seen = scores if mask is None else scores + additive(mask, scores)
        name = next(self.vision if mask is None else self.layers)
        self.peaks[name] = torch.maximum(self.peaks[name], seen.float().amax(dim=(0, 2, 3)).cpu())

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, mask: Mask | None, scale: float) -> Tensor:
        """Attend as the watched backends do."""
        self.note((query.detach() * scale) @ key.detach().transpose(-2, -1), mask)
        if mask is None:
            return self.backends.attention(query, key, value, None, scale)
        return attend(query, key, value, mask, scale, self.backends)


def watched(model: VL2) -> tuple[Backends, ScoreWatch]:
    """Return the model's backends with a watch on their attention."""
    watch = ScoreWatch(model)
    return replace(model.backends, attention=watch, document_attention=watch), watch


def highest(peaks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the peaks over all processes."""
    flat = torch.cat(list(peaks.values()))
    if dist.is_initialized():
        dist.all_reduce(flat, dist.ReduceOp.MAX)
    return dict(zip(peaks, flat.split([len(peak) for peak in peaks.values()]), strict=True))


@torch.no_grad()
def soften(weights: Mapping[str, Tensor], peaks: Mapping[str, Tensor], limit: float = SCORE_LIMIT) -> int:
    """Scale the query rows and biases of each head whose peak [H] is over the limit; return how many heads were.

    Heads whose weights are not among `weights` (they stand still) are left as they are.
    """
    softened = 0
    for name, peak in peaks.items():
        factors = limit / peak.clamp_min(limit)  # [H], 1 where nothing is to do
        rows = list(_query_rows(weights, name))
        for queries in rows:
            queries.unflatten(0, (len(factors), -1)).mul_(factors.view(-1, *[1] * queries.ndim).to(queries.device))
        softened += int((factors < 1).sum()) if rows else 0
    return softened


def _query_rows(weights: Mapping[str, Tensor], name: str) -> Iterable[Tensor]:
    """Yield the rows of a weight and of its bias that make queries; a fused matrix has them in its first third."""
    for parameter in (f"{name}.weight", f"{name}.bias"):
        if parameter in weights:
            rows = weights[parameter]
            yield rows[: len(rows) // 3] if name.endswith("qkv") else rows
