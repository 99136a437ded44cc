"""The baseline of training: plain PyTorch as transformers lays such models out, of a preset with MHA (tiny).

One nn.Linear a projection and one module an expert; sdpa, transformers' default, under one mask [T, T] of documents;
logits of every position in float32 and cross-entropy over all of them. An expert's tokens are found and added back in
one of three ways:

- `gathered`: where() finds them and index_add_ adds them back, the loop that transformers' eager models share. Its
  version 5 indexes stacked weights, so that a backward pass fills a stack of zeros an expert; modules, as here, do not.
- `masked`: a boolean mask over all choices of all tokens, read and written, as the code released with the model trains.
- `grouped`: sorted tokens and F.grouped_mm over stacked weights, what version 5 picks for the models it has ported.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vl2.core.batch import IGNORE_INDEX, Batch
from vl2.core.errors import VL2Error
from vl2.model import moe as our
from vl2.model.config import LanguageConfig
from vl2.model.language import LanguageModel


class RMSNorm(nn.Module):
    """Normalise in float32."""

    def __init__(self, weight: Tensor, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone())
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Return [.., D]."""
        wide = x.to(torch.float32)
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(x.dtype)


class Attention(nn.Module):
    """MHA with rotary positions."""

    def __init__(self, projections: list[nn.Linear], heads: int) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = map(_linear, projections)
        self.heads = heads

    def forward(self, x: Tensor, table: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """Return [B, T, D]; mask [B, 1, T, T] is True where a query may look."""
        query, key, value = (
            layer(x).view(*x.shape[:2], self.heads, -1).transpose(1, 2)  # [B, H, T, Dh]
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        cos, sin = table
        query, key = query * cos + _turned(query) * sin, key * cos + _turned(key) * sin
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.o_proj(out.transpose(1, 2).reshape(x.shape))


class MLP(nn.Module):
    """SwiGLU, of a dense layer or of one expert."""

    def __init__(self, gate: Tensor, up: Tensor, down: Tensor) -> None:
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = (_of_weight(weight) for weight in (gate, up, down))

    def forward(self, x: Tensor) -> Tensor:
        """Return [.., D]."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class MoE(nn.Module):
    """Experts one after the other, each on the tokens that chose it."""

    def __init__(self, source: our.MoE, config: LanguageConfig, way: str) -> None:
        super().__init__()
        if way not in WAYS:
            raise VL2Error("way", "is unknown", got=way, expected=list(WAYS))
        experts, self.top_k, self.run = source.routed_experts, config.num_experts_per_tok or 0, WAYS[way]
        self.gate = _of_weight(source.router.weight)
        if way == "grouped":
            self.gate_up_proj = nn.Parameter(torch.cat((experts.gate, experts.up), dim=1).detach())  # [E, 2F, D]
            self.down_proj = nn.Parameter(experts.down.detach().clone())
        else:
            stacks = (experts.gate, experts.up, experts.down)
            self.experts = nn.ModuleList(MLP(*weights) for weights in zip(*stacks, strict=True))
        self.shared_experts = _mlp(source.shared_experts) if source.shared_experts is not None else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return [B, T, D], the scores [N, E] and the experts chosen [N, K]."""
        flat = x.view(-1, x.shape[-1])  # [N, D]
        scores = F.linear(flat.float(), self.gate.weight.float()).softmax(-1)  # [N, E]
        weights, chosen = scores.topk(self.top_k, dim=-1, sorted=False)  # [N, K]
        out = self.run(self, flat, chosen, weights).view_as(x)
        return (out if self.shared_experts is None else out + self.shared_experts(x)), scores, chosen


def gathered(moe: MoE, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """Add each expert's answers to the rows of its tokens [N, D]."""
    out = torch.zeros_like(x)  # [N, D]
    expert_mask = F.one_hot(chosen, len(moe.experts)).permute(2, 1, 0)  # [E, K, N]
    for number, expert in enumerate(moe.experts):
        place, token = torch.where(expert_mask[number])
        answers = expert(x[token]) * weights[token, place, None]
        out.index_add_(0, token, answers.to(x.dtype))
    return out


def masked(moe: MoE, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """Write each expert's answers where its number stands among all choices, then sum by weight [N, D]."""
    choices = x.repeat_interleave(moe.top_k, dim=0)  # [N*K, D]
    out, flat = torch.empty_like(choices), chosen.view(-1)
    for number, expert in enumerate(moe.experts):
        out[flat == number] = expert(choices[flat == number])
    return (out.view(*weights.shape, -1) * weights[..., None]).sum(1).to(x.dtype)


def grouped(moe: MoE, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """Sort tokens by expert and multiply all experts in one call a matrix [N, D]."""
    order = chosen.view(-1).argsort()  # [N*K]
    counts = torch.bincount(chosen.view(-1), minlength=len(moe.down_proj))
    ends = counts.cumsum(0).to(torch.int32)
    rows = x[order // moe.top_k]  # [N*K, D]
    gate, up = F.grouped_mm(rows, moe.gate_up_proj.transpose(1, 2), offs=ends).chunk(2, dim=-1)
    answers = F.grouped_mm(F.silu(gate) * up, moe.down_proj.transpose(1, 2), offs=ends)  # [N*K, D]
    answers = answers * weights.view(-1)[order, None]
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order), device=order.device)
    return answers[back].view(*chosen.shape, -1).sum(1).to(x.dtype)


WAYS: dict[str, Callable[[MoE, Tensor, Tensor, Tensor], Tensor]] = {
    "gathered": gathered,
    "masked": masked,
    "grouped": grouped,
}


class CausalLanguageModel(nn.Module):
    """Embeddings to the loss, with the weights of one of our models."""

    def __init__(self, ours: LanguageModel, way: str = "gathered") -> None:
        super().__init__()
        config = self.config = ours.config
        if config.use_mla:
            raise VL2Error("baseline", "is written for MHA only", expected="the preset tiny")
        self.embed_tokens = nn.Embedding.from_pretrained(ours.embedding.weight.detach().clone(), freeze=False)
        self.layers = nn.ModuleList()
        for layer in ours.layers:
            attention, mlp = layer.attention, layer.mlp
            projections = [attention.query, attention.key, attention.value, attention.output]
            self.layers.append(
                nn.ModuleDict({
                    "input_layernorm": RMSNorm(layer.attention_norm.weight, config.rms_norm_eps),
                    "self_attn": Attention(projections, config.num_attention_heads),
                    "post_attention_layernorm": RMSNorm(layer.mlp_norm.weight, config.rms_norm_eps),
                    "mlp": MoE(mlp, config, way) if isinstance(mlp, our.MoE) else _mlp(mlp),
                })
            )  # fmt: skip
        self.norm = RMSNorm(ours.norm.weight, config.rms_norm_eps)
        self.lm_head = _linear(ours.head)

    def forward(self, batch: Batch, labels: Tensor, aux_weight: float, visual: Tensor | None = None) -> Tensor:
        """Return the mean loss of a batch; labels [B, T] are shifted already, visual [.., D] stands for images."""
        x = self.embed_tokens(batch.input_ids)  # [B, T, D]
        if visual is not None:
            x = x.masked_scatter(batch.image_mask[..., None], visual)
        table, mask = self._rope(batch.positions, x.dtype), _documents_mask(batch.documents)
        balance = x.new_zeros((), dtype=torch.float32)
        for layer in self.layers:
            x = x + layer["self_attn"](layer["input_layernorm"](x), table, mask)
            out = layer["mlp"](layer["post_attention_layernorm"](x))
            if isinstance(out, tuple):
                out, scores, chosen = out
                balance = balance + _balance(scores, chosen, len(x))
            x = x + out
        logits = self.lm_head(self.norm(x)).float()  # [B, T, V]
        loss = F.cross_entropy(logits.view(-1, logits.shape[-1]), labels.view(-1), ignore_index=IGNORE_INDEX)
        return loss + aux_weight * balance

    def _rope(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return cosines and sines [B, 1, T, Dh]."""
        dim = self.config.hidden_size // self.config.num_attention_heads
        frequencies = self.config.rope_theta ** -(torch.arange(0, dim, 2, dtype=torch.float32) / dim)
        angles = (positions[:, None, :, None].float() * frequencies).repeat(1, 1, 1, 2)
        return angles.cos().to(dtype), angles.sin().to(dtype)


def _documents_mask(documents: Tensor) -> Tensor:
    """Return [B, 1, T, T]: True where a query may look."""
    length = documents.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    return ((documents[:, None, :] == documents[:, :, None]) & causal)[:, None]


def _balance(scores: Tensor, chosen: Tensor, rows: int) -> Tensor:
    """Return the sequence-wise balance loss of one layer."""
    num_experts = scores.shape[1]
    share = F.one_hot(chosen.view(rows, -1), num_experts).float().mean(1) * num_experts  # [B, E]
    return (share * scores.view(rows, -1, num_experts).mean(1)).sum(1).mean()


def _turned(x: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.cat((-second, first), dim=-1)


def _linear(source: nn.Linear) -> nn.Linear:
    return _of_weight(source.weight)


def _of_weight(weight: Tensor) -> nn.Linear:
    rows, cols = weight.shape
    linear = nn.Linear(cols, rows, bias=False, device="meta")
    linear.weight = nn.Parameter(weight.detach().clone())
    return linear


def _mlp(source: our.MLP) -> MLP:
    return MLP(source.gate.weight, source.up.weight, source.down.weight)
