"""DeepSeekMoE: a router, routed experts and shared experts (paper, section 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vl2.kernels import Backends
from vl2.model.config import LanguageConfig


@dataclass(frozen=True)
class Routing:
    """What a router decided for N tokens."""

    scores: Tensor  # [N, E] float32, softmax or sigmoid
    topk_ids: Tensor  # [N, K]
    topk_weights: Tensor  # [N, K] float32


class MLP(nn.Module):
    """SwiGLU: the dense first layer, and the shared experts as one wide MLP."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return [.., D] for x [.., D]."""
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Router(nn.Module):
    """Choose K of E experts for each token, always in float32."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.config = config
        self.num_experts, self.top_k = config.n_routed_experts or 0, config.num_experts_per_tok or 0
        self.weight = nn.Parameter(torch.empty(self.num_experts, config.hidden_size))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        if config.topk_method == "noaux_tc":
            # Moved by the trainer's balance rule, never by a gradient.
            self.expert_bias = nn.Parameter(torch.zeros(self.num_experts), requires_grad=False)

    def forward(self, x: Tensor) -> Routing:
        """Route x [N, D]."""
        logits = F.linear(x.float(), self.weight.float())  # [N, E] float32: ties flip in bf16 and change experts
        scores = logits.softmax(-1) if self.config.scoring_func == "softmax" else logits.sigmoid()  # [N, E]
        topk_ids = self._choose(scores).topk(self.top_k, dim=-1, sorted=False).indices  # [N, K]
        topk_weights = scores.gather(1, topk_ids)  # [N, K]
        if self.config.norm_topk_prob and self.top_k > 1:
            topk_weights = topk_weights / (topk_weights.sum(-1, keepdim=True) + 1e-20)
        return Routing(scores, topk_ids, topk_weights * self.config.routed_scaling_factor)

    def _choose(self, scores: Tensor) -> Tensor:
        """Return the scores by which experts are chosen [N, E]; experts outside the best groups lose."""
        match self.config.topk_method:
            case "group_limited_greedy":
                return self._keep_best_groups(scores, best_of_group=1, outside=0.0)
            case "noaux_tc":
                # -inf outside: a negative score plus bias must still beat an expert of a group not chosen
                return self._keep_best_groups(scores + self.expert_bias.float(), best_of_group=2, outside=-torch.inf)
            case _:
                return scores

    def _keep_best_groups(self, scores: Tensor, *, best_of_group: int, outside: float) -> Tensor:
        groups, kept = self.config.n_group or 1, self.config.topk_group or 1
        if groups == kept:
            return scores
        grouped = scores.unflatten(-1, (groups, -1))  # [N, G, E/G]
        group_scores = grouped.topk(best_of_group, dim=-1).values.sum(-1)  # [N, G]
        best = group_scores.topk(kept, dim=-1, sorted=False).indices  # [N, Gk]
        is_kept = torch.zeros_like(group_scores, dtype=torch.bool).scatter(1, best, True)  # [N, G]
        return grouped.masked_fill(~is_kept[..., None], outside).flatten(1)  # [N, E]


class RoutedExperts(nn.Module):
    """All routed experts of a layer, stacked."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        experts, width, hidden = config.n_routed_experts or 0, config.hidden_size, config.moe_intermediate_size
        self.gate = nn.Parameter(torch.empty(experts, hidden, width))
        self.up = nn.Parameter(torch.empty(experts, hidden, width))
        self.down = nn.Parameter(torch.empty(experts, width, hidden))
        for weight in (self.gate, self.up, self.down):
            nn.init.normal_(weight, std=0.02)

    def forward(self, x: Tensor, routing: Routing, backends: Backends) -> Tensor:
        """Return the weighted sum of the chosen experts [N, D] for x [N, D]."""
        return backends.experts(x, routing.topk_ids, routing.topk_weights, self.gate, self.up, self.down)


class MoE(nn.Module):
    """Routed plus shared experts. `dispatch` is set from outside to run experts on other devices."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.router = Router(config)
        self.routed_experts = RoutedExperts(config)
        self.shared_experts = None
        if config.n_shared_experts:
            self.shared_experts = MLP(config.hidden_size, config.n_shared_experts * config.moe_intermediate_size)
        self.dispatch: Callable[[Tensor, Routing, Backends], Tensor] = self.routed_experts.forward

    def forward(self, x: Tensor, backends: Backends) -> tuple[Tensor, Routing]:
        """Return [B, T, D] and the routing of the B*T tokens for x [B, T, D]."""
        flat = x.flatten(0, 1)  # [B*T, D]
        routing = self.router(flat)
        out = self.dispatch(flat, routing, backends).view_as(x)  # [B, T, D]
        if self.shared_experts is not None:
            out = out + self.shared_experts(x)  # [B, T, D]
        return out, routing
