"""The DeepSeekMoE language model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from vl2.core.batch import CacheView
from vl2.kernels import Backends
from vl2.kernels.documents import Documents
from vl2.kernels.native.learned_attention import can_learn_like
from vl2.model.attention import MHA, MLA, Mask, RopeTable
from vl2.model.config import LanguageConfig, RopeScaling
from vl2.model.moe import MLP, MoE, Routing
from vl2.model.norm import RMSNorm
from vl2.model.rope import inverse_frequencies, rope_table, table_scale

LONG_ROW = 1024  # tokens: scores of shorter rows are computed faster all at once, and then masked


@dataclass(frozen=True)
class Hidden:
    """The language model's last hidden states after the final norm, and what the routers decided."""

    states: Tensor  # [B, T, D]
    routing: dict[int, Routing]  # by layer


class Layer(nn.Module):
    """Attention, then experts or a dense MLP, each on a normalised residual stream."""

    def __init__(self, config: LanguageConfig, layer: int) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.attention = MLA(config, layer) if config.use_mla else MHA(config, layer)
        self.mlp_norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        is_moe = config.is_moe_layer(layer)
        self.mlp = MoE(config) if is_moe else MLP(config.hidden_size, config.intermediate_size)

    def forward(
        self, x: Tensor, table: RopeTable, positions: Tensor, mask: Mask, cache: CacheView | None, backends: Backends
    ) -> tuple[Tensor, Routing | None]:
        """Return [B, T, D] and the routing, None in a dense layer."""
        x = x + self.attention(self.attention_norm(x), table, positions, mask, cache, backends)  # [B, T, D]
        if isinstance(self.mlp, MoE):
            out, routing = self.mlp(self.mlp_norm(x), backends)
            return x + out, routing
        return x + self.mlp(self.mlp_norm(x)), None


class LanguageModel(nn.Module):
    """Token embeddings in, hidden states and logits out."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config, layer) for layer in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def forward(
        self, embeds: Tensor, positions: Tensor, documents: Tensor, cache: CacheView | None, backends: Backends
    ) -> Hidden:
        """Run embeds [B, T, D] at positions [B, T]. With a cache, each row is one document, padded on the right."""
        x, routing = embeds, {}
        table = self.rope(positions)
        if cache is None:
            mask = mask_of(documents, x, backends)
        else:
            mask = cache_mask(positions, cache.num_slots(positions), x.dtype)
        for number, layer in enumerate(self.layers):
            x, decided = layer(x, table, positions, mask, cache, backends)
            if decided is not None:
                routing[number] = decided
        return Hidden(self.norm(x), routing)

    def rope(self, positions: Tensor) -> RopeTable:
        """Return the rotary table for positions [B, T], computed in float32 from the config alone."""
        config = self.config
        dim = config.qk_rope_head_dim if config.use_mla else config.hidden_size // config.num_attention_heads
        scaling = config.rope_scaling
        frequencies = _frequencies(dim, config.rope_theta, scaling, positions.device)
        return rope_table(positions, frequencies, table_scale(scaling))


@lru_cache(maxsize=32)
def _frequencies(dim: int, theta: float, scaling: RopeScaling | None, device: torch.device) -> Tensor:
    """Return `inverse_frequencies` on a device, to which they are copied once: a CUDA graph may not copy."""
    with torch.inference_mode(False):  # training may ask later for what serving asked first
        return inverse_frequencies(dim, theta, scaling).to(device)


def mask_of(documents: Tensor, states: Tensor, backends: Backends) -> Mask:
    """Return what lets a query look back within its own document [B, T], and nowhere else, for states [B, T, D]."""
    is_long = documents.shape[1] >= LONG_ROW or can_learn_like(states)
    if backends.document_attention is not None and is_long:
        found = Documents.of(documents)
        if found is not None:
            return found
    return documents_mask(documents, states.dtype)


def additive(mask: Mask, scores: Tensor) -> Tensor:
    """Return what to add to scores [B, H, T, S] for a mask of either kind."""
    if isinstance(mask, Tensor):
        return mask
    return documents_mask(mask.numbers().to(scores.device), scores.dtype)


def documents_mask(documents: Tensor, dtype: torch.dtype) -> Tensor:
    """Return [B, 1, T, T] to add to scores: a query may look back within its own document [B, T].

    Padding is a document of its own, so that no query is left without a key.
    """
    same = documents[:, :, None] == documents[:, None, :]  # [B, T, T]
    return _additive(same.tril(), dtype)


def cache_mask(positions: Tensor, num_slots: int, dtype: torch.dtype) -> Tensor:
    """Return [B, 1, T, S] to add to scores: a query may look up to its own position; slot s holds position s."""
    slots = torch.arange(num_slots, device=positions.device)  # [S]
    return _additive(slots <= positions[:, :, None], dtype)


def _additive(may_look: Tensor, dtype: torch.dtype) -> Tensor:
    zeros = torch.zeros(may_look.shape, dtype=dtype, device=may_look.device)
    return zeros.masked_fill_(~may_look, -torch.inf)[:, None]  # [B, 1, T, S]
