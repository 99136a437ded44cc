"""Attention of the language model: MHA (Tiny) and latent attention, MLA (paper, section 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vl2.core.batch import CacheView
from vl2.kernels import Backends
from vl2.kernels.documents import Documents
from vl2.model.config import LanguageConfig
from vl2.model.norm import RMSNorm
from vl2.model.rope import deinterleave, rotate, softmax_scale

LATENT_NORM_EPS = 1e-6  # the latent norms keep the class default, whatever rms_norm_eps says
ABSORB_BELOW_TOKENS = 8  # fewer new tokens than this: expanding every cached latent costs more than absorbing

RopeTable = tuple[Tensor, Tensor]
Mask = Tensor | Documents  # [B, 1, T, S], 0 where a query may look and -inf elsewhere, or the documents of long rows


class MHA(nn.Module):
    """Plain multi-head attention; the cache keeps keys and values."""

    def __init__(self, config: LanguageConfig, layer: int) -> None:
        super().__init__()
        width, self.heads, self.layer = config.hidden_size, config.num_attention_heads, layer
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.scale = softmax_scale(width // self.heads, None)

    def forward(
        self, x: Tensor, table: RopeTable, positions: Tensor, mask: Mask, cache: CacheView | None, backends: Backends
    ) -> Tensor:
        """Attend from x [B, T, D]."""
        query = rotate(self._heads(self.query(x)), table)  # [B, H, T, Dh]
        key = rotate(self._heads(self.key(x)), table)  # [B, H, T, Dh]
        value = self._heads(self.value(x))  # [B, H, T, Dh]
        if cache is not None:
            entries = torch.cat((self._merge(key), self._merge(value)), dim=-1)  # [B, T, 2*D]
            key, value = (self._heads(part) for part in cache.append(self.layer, entries, positions).chunk(2, dim=-1))
        out = attend(query, key, value, mask, self.scale, backends)  # [B, H, T, Dh]
        return self.output(self._merge(out))  # [B, T, D]

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, H, .., Dh]

    def _merge(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)  # [B, T, D]


class MLA(nn.Module):
    """Latent attention: compress, norm, rotate, attend, project. The cache keeps latent and rope key only."""

    def __init__(self, config: LanguageConfig, layer: int) -> None:
        super().__init__()
        width, self.heads, self.layer = config.hidden_size, config.num_attention_heads, layer
        self.rank = config.kv_lora_rank or 0
        self.nope, self.rope, self.value_dim = config.qk_nope_head_dim, config.qk_rope_head_dim, config.v_head_dim
        query_dim = self.heads * (self.nope + self.rope)
        if config.q_lora_rank is None:
            self.query = nn.Linear(width, query_dim, bias=False)
        else:
            self.query_down = nn.Linear(width, config.q_lora_rank, bias=False)
            self.query_norm = RMSNorm(config.q_lora_rank, LATENT_NORM_EPS)
            self.query_up = nn.Linear(config.q_lora_rank, query_dim, bias=False)
        self.latent_down = nn.Linear(width, self.rank + self.rope, bias=False)
        self.latent_norm = RMSNorm(self.rank, LATENT_NORM_EPS)
        self.latent_up = nn.Linear(self.rank, self.heads * (self.nope + self.value_dim), bias=False)
        self.output = nn.Linear(self.heads * self.value_dim, width, bias=False)
        self.scale = softmax_scale(self.nope + self.rope, config.rope_scaling)

    def forward(
        self, x: Tensor, table: RopeTable, positions: Tensor, mask: Mask, cache: CacheView | None, backends: Backends
    ) -> Tensor:
        """Attend from x [B, T, D]."""
        query, query_rope = self._query(x, table)
        latent, rope_key = self._compress(x, table)
        absorb = cache is not None and x.shape[1] < ABSORB_BELOW_TOKENS
        if cache is not None:
            slots = cache.append(self.layer, torch.cat((latent, rope_key), dim=-1), positions)  # [B, S, R+Dr]
            latent, rope_key = slots.split((self.rank, self.rope), dim=-1)
        attend = self.absorbed if absorb else self.expanded
        out = attend(query, query_rope, latent, rope_key, mask, backends)  # [B, H, T, Dv]
        return self.output(out.transpose(1, 2).flatten(2))  # [B, T, D]

    def expanded(
        self, query: Tensor, query_rope: Tensor, latent: Tensor, rope_key: Tensor, mask: Mask, backends: Backends
    ) -> Tensor:
        """Expand latents [B, S, R] to keys and values of every head, then attend. Returns [B, H, T, Dv]."""
        keys_values = self.latent_up(latent).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, H, S, Dn+Dv]
        key, value = keys_values.split((self.nope, self.value_dim), dim=-1)
        key = torch.cat((key, rope_key[:, None].expand(-1, self.heads, -1, -1)), dim=-1)  # [B, H, S, Dn+Dr]
        query = torch.cat((query, query_rope), dim=-1)  # [B, H, T, Dn+Dr]
        return attend(query, key, value, mask, self.scale, backends)

    def absorbed(
        self, query: Tensor, query_rope: Tensor, latent: Tensor, rope_key: Tensor, mask: Mask, backends: Backends
    ) -> Tensor:
        """Bring the query into latent space and attend there; equal to `expanded` up to rounding."""
        assert isinstance(mask, Tensor)  # documents have no cache, and without one latents are expanded
        up = self.latent_up.weight.unflatten(0, (self.heads, -1))  # [H, Dn+Dv, R]
        key_up, value_up = up.split((self.nope, self.value_dim), dim=1)
        query = query @ key_up  # [B, H, T, R]
        out = backends.latent_attention(query, query_rope, latent, rope_key, mask, self.scale)  # [B, H, T, R]
        return out @ value_up.transpose(1, 2)  # [B, H, T, Dv]

    def _query(self, x: Tensor, table: RopeTable) -> tuple[Tensor, Tensor]:
        """Return the part without position [B, H, T, Dn] and the rotated part [B, H, T, Dr]."""
        if hasattr(self, "query"):
            query = self.query(x)  # [B, T, H*(Dn+Dr)]
        else:
            query = self.query_up(self.query_norm(self.query_down(x)))  # [B, T, H*(Dn+Dr)]
        query = query.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, H, T, Dn+Dr]
        plain, rope = query.split((self.nope, self.rope), dim=-1)
        return plain, rotate(deinterleave(rope), table)

    def _compress(self, x: Tensor, table: RopeTable) -> tuple[Tensor, Tensor]:
        """Return the normalised latent [B, T, R] and the rotated rope key [B, T, Dr], one for all heads."""
        latent, rope_key = self.latent_down(x).split((self.rank, self.rope), dim=-1)
        rope_key = rotate(deinterleave(rope_key[:, None]), table)  # [B, 1, T, Dr]
        return self.latent_norm(latent), rope_key[:, 0]


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Mask, scale: float, backends: Backends) -> Tensor:
    """Return [B, H, T, Dv] for query [B, H, T, Dh], key [B, H, S, Dh] and value [B, H, S, Dv]."""
    if isinstance(mask, Documents):
        assert backends.document_attention is not None  # what makes `Documents` asks for it
        return backends.document_attention(query, key, value, mask, scale)
    return backends.attention(query, key, value, mask, scale)
