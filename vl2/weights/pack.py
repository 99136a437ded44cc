"""Pack a model for the CPU kernels: the same model for the engine, no longer one to train."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from vl2.core.batch import PADDING, CacheView, PagedSlots
from vl2.core.errors import VL2Error
from vl2.core.memory import give_back
from vl2.kernels import Backends
from vl2.kernels.native import structs
from vl2.kernels.native.layers import LanguageStack, Rows, VisionStack
from vl2.kernels.native.library import library, one_torch_thread
from vl2.kernels.native.packed import NO_WEIGHT, PackedLinear, PackedWeight
from vl2.kernels.quantized import QuantizedTensor
from vl2.kernels.quantized_linear import QuantizedLinear, QuantizedWeight
from vl2.model import VL2
from vl2.model.attention import LATENT_NORM_EPS, MHA, MLA, RopeTable
from vl2.model.config import LanguageConfig
from vl2.model.language import Hidden, LanguageModel, Layer
from vl2.model.moe import MLP, MoE
from vl2.model.norm import RMSNorm
from vl2.model.vision import NORM_EPS, VisionBlock, VisionTower

TEMPORARY_BLOCK = 16
# Of activations that meet integers. Eight bits take half the time: in the vision tower no score of pocket moves; beside
# weights of 4 bits the divergence grows by a twentieth, beside weights of 8 it would double.
VISION_INPUT_BITS = 8
INPUT_BITS = {8: 15, 4: 8}  # by bits of the weight


def pack_model(model: VL2) -> VL2:
    """Replace the parts of a model on the CPU by packed ones, layer by layer, and return it.

    Without native kernels the model stays as it is. Takes the memory of one layer beside the model's own.
    """
    if library() is None or model.tile_newline.device.type != "cpu":
        return model
    model.language = PackedLanguage(model.language)  # pyright: ignore[reportAttributeAccessIssue]
    model.vision = PackedVision(model.vision)  # pyright: ignore[reportAttributeAccessIssue]
    for owner in (model.adaptor, model.adaptor.hidden):
        for name, module in list(owner.named_children()):
            if isinstance(module, QuantizedLinear):
                setattr(owner, name, PackedLinear(packed_linear(module)))
    give_back()
    return model


class PackedLanguage(nn.Module):
    """What `LanguageModel` computes, without routing, in float32 between the weights."""

    def __init__(self, source: LanguageModel) -> None:
        """Take over a language model, whose layers are gone afterwards."""
        super().__init__()
        self.config, self.embedding = source.config, source.embedding
        self.dtype = source.norm.weight.dtype
        layers: deque[Any] = deque(source.layers)
        source.layers = nn.ModuleList()  # the memory of each is free once it is packed
        norm, scale = _floats(source.norm.weight), layers[0].attention.scale
        kept: list[object] = [norm]
        packed: list[structs.Layer] = []
        while layers:
            packed.append(_layer(layers.popleft(), self.config, kept))
            give_back()
        self.stack = LanguageStack(_shape(self.config, norm, scale), packed, kept)
        self.head = PackedLinear(packed_linear(source.head))
        self._rope: RopeTable = (norm.new_empty(0, 0), norm.new_empty(0, 0))  # of the positions seen so far
        del source.head

    def rope(self, positions: Tensor) -> RopeTable:
        """Return the rotary table for positions [B, T]."""
        return LanguageModel.rope(self, positions)  # pyright: ignore[reportArgumentType]

    def forward(
        self, embeds: Tensor, positions: Tensor, documents: Tensor, cache: CacheView | None, backends: Backends
    ) -> Hidden:
        """Run embeds [B, T, D] at positions [B, T]; each row is one document, padded on the right."""
        numbers = documents.tolist()
        if max(map(max, numbers)) > 1:
            raise VL2Error("documents", "are packed", do="Give each its own row; only an unpacked model trains.")
        counts = [len(row) - row.count(PADDING) for row in numbers]
        slots, tables, block_size = self._room(counts, cache)
        rows = Rows(counts, positions[:, 0].tolist(), tables, block_size)
        table = self._table(rows.end)
        if min(counts) == embeds.shape[1]:
            return Hidden(self.stack.run(embeds.flatten(0, 1), table, rows, slots).view(embeds.shape), {})
        real = documents != PADDING  # [B, T]
        out = torch.zeros(embeds.shape)
        out[real] = self.stack.run(embeds[real], table, rows, slots)
        return Hidden(out, {})

    def _table(self, count: int) -> RopeTable:
        """Return the rotary table [P, Dr] of at least `count` positions."""
        if len(self._rope[0]) < count:
            positions = torch.arange(1 << (count - 1).bit_length())[None]  # [1, P]
            cos, sin = (part[0, 0].float().contiguous() for part in self.rope(positions))  # [P, Dr]
            self._rope = (cos, sin)
        return self._rope

    def _room(self, counts: Sequence[int], cache: CacheView | None) -> tuple[Tensor, Tensor, int]:
        """Return slots, block tables and block size: the cache's, or new ones for a pass without a cache."""
        if isinstance(cache, PagedSlots):
            return cache.slots, cache.tables, cache.block_size
        if cache is not None:
            raise VL2Error("cache", "has no block tables", got=type(cache).__name__, expected="the engine's cache")
        blocks = -(-max(counts) // TEMPORARY_BLOCK)
        shape = (self.config.num_hidden_layers, len(counts) * blocks * TEMPORARY_BLOCK, self.config.cache_width)
        tables = torch.arange(len(counts) * blocks, dtype=torch.int32).view(len(counts), blocks)
        return torch.zeros(shape, dtype=self.dtype), tables, TEMPORARY_BLOCK


class PackedVision(nn.Module):
    """What `VisionTower` computes, in float32 between the weights."""

    def __init__(self, source: VisionTower) -> None:
        """Take over a vision tower, whose blocks are gone afterwards."""
        super().__init__()
        self.config = source.config
        self.patch_embed, self.pos_embed, self.norm = source.patch_embed, source.pos_embed, source.norm
        blocks: deque[Any] = deque(source.blocks)
        source.blocks = nn.ModuleList()
        kept: list[object] = []
        packed = [_block(blocks.popleft(), kept) for _ in range(len(blocks))]
        shape = structs.Vision(0, self.config.width, self.config.heads, self.config.patches_per_side**2, NORM_EPS)
        self.stack = VisionStack(shape, packed, kept)

    def forward(self, tiles: Tensor, backends: Backends) -> Tensor:
        """Return patch features [N, P, C] for tiles [N, 3, S, S] in -1..1, after the final norm."""
        x = self.patch_embed(tiles.to(self.pos_embed.dtype)).flatten(2).transpose(1, 2)  # [N, P, C]
        x = self.stack.run(x + self.pos_embed)  # [N, P, C]
        return self.norm(x.to(self.pos_embed.dtype))  # [N, P, C]


def beside_kernels(model: VL2) -> AbstractContextManager[None]:
    """Return what to compute a step of a model in: beside native kernels PyTorch keeps to one thread."""
    return one_torch_thread() if isinstance(model.language, PackedLanguage) else nullcontext()


def packed_linear(*linears: nn.Linear | QuantizedLinear, input_bits: int | None = None) -> PackedWeight:
    """Pack a linear layer, or several that read the same input as one."""
    biases: list[Tensor] = [one.bias for one in linears if one.bias is not None]
    bias = torch.cat(biases) if biases else None
    parts = [one.weight.tensor for one in linears if isinstance(one, QuantizedLinear)]
    if parts:
        joined = replace(
            parts[0], codes=torch.cat([part.codes for part in parts]), scales=torch.cat([part.scales for part in parts])
        )
        return _packed_codes(joined, bias, input_bits)
    return PackedWeight.from_float(torch.cat([one.weight for one in linears if isinstance(one, nn.Linear)]), bias)


def packed_experts(weight: Tensor | QuantizedWeight) -> PackedWeight:
    """Pack one matrix of all experts [E, N, K]."""
    return _packed_codes(weight.tensor) if isinstance(weight, QuantizedWeight) else PackedWeight.from_float(weight)


def _packed_codes(
    weight: QuantizedTensor, bias: Tensor | None = None, input_bits: int | None = None
) -> PackedWeight:
    return PackedWeight.from_codes(
        weight.codes, weight.scales, bits=weight.bits, group=weight.group, num_inputs=weight.width, bias=bias,
        input_bits=input_bits or INPUT_BITS[weight.bits],
    )  # fmt: skip


def _shape(config: LanguageConfig, norm: Tensor, scale: float) -> structs.Language:
    is_latent = config.use_mla
    routing = structs.Routing(
        config.n_routed_experts or 0, config.num_experts_per_tok or 0, config.scoring_func == "sigmoid",
        config.norm_topk_prob, 1, 1, 1, 0.0, config.routed_scaling_factor,
    )  # fmt: skip
    if config.topk_method in ("group_limited_greedy", "noaux_tc"):
        routing.groups, routing.kept_groups = config.n_group or 1, config.topk_group or 1
    if config.topk_method == "noaux_tc":
        routing.best_of_group, routing.outside = 2, float("-inf")
    shape = structs.Language(0, config.hidden_size, config.num_attention_heads)
    shape.head_dim = 0 if is_latent else config.hidden_size // config.num_attention_heads
    shape.is_latent = is_latent
    if is_latent:
        shape.rank, shape.nope, shape.rope = config.kv_lora_rank or 0, config.qk_nope_head_dim, config.qk_rope_head_dim
        shape.value_dim = config.v_head_dim
    shape.eps, shape.latent_eps, shape.scale = config.rms_norm_eps, LATENT_NORM_EPS, scale
    shape.routing = routing
    shape.norm = norm.data_ptr()
    return shape


def _layer(layer: Layer, config: LanguageConfig, kept: list[object]) -> structs.Layer:
    """Pack one layer; `kept` takes the tensors."""
    out = structs.Layer()
    keep = _Keeper(kept)
    out.attention_norm, out.mlp_norm = keep.norm(layer.attention_norm), keep.norm(layer.mlp_norm)
    attention = layer.attention
    out.output = keep.weight(packed_linear(attention.output))
    if isinstance(attention, MHA):
        out.qkv = keep.weight(packed_linear(attention.query, attention.key, attention.value))
    else:
        _latent(attention, out, keep)
    out.is_moe = isinstance(layer.mlp, MoE)
    if isinstance(layer.mlp, MLP):
        out.mlp = keep.mlp(layer.mlp)
        return out
    router, experts = layer.mlp.router, layer.mlp.routed_experts
    out.router = keep.weight(PackedWeight.from_float(router.weight.float()))
    if config.topk_method == "noaux_tc":
        out.expert_bias = keep.floats(router.expert_bias)
    stacks = (packed_experts(_taken(experts, name)) for name in ("gate", "up", "down"))
    out.mlp = structs.MlpWeights(*(keep.weight(stack) for stack in stacks))
    if layer.mlp.shared_experts is not None:
        out.shared = keep.mlp(layer.mlp.shared_experts)
    return out


def _taken(owner: nn.Module, name: str) -> Tensor | QuantizedWeight:
    """Take a weight away from its owner, so that its memory is free once it is packed."""
    weight = getattr(owner, name)
    delattr(owner, name)
    return weight


def _latent(attention: MLA, out: structs.Layer, keep: _Keeper) -> None:
    out.query_down = NO_WEIGHT
    if hasattr(attention, "query"):
        out.query_up = keep.weight(packed_linear(attention.query))
    else:
        out.query_down = keep.weight(packed_linear(attention.query_down))
        out.query_up = keep.weight(packed_linear(attention.query_up))
        out.query_norm = keep.norm(attention.query_norm)
    out.latent_down = keep.weight(packed_linear(attention.latent_down))
    out.latent_norm = keep.norm(attention.latent_norm)
    out.latent_up = keep.weight(packed_linear(attention.latent_up))
    by_head = attention.latent_up.weight.unflatten(0, (attention.heads, -1))  # [H, Dn+Dv, R]
    key_up, value_up = by_head.split((attention.nope, attention.value_dim), dim=1)
    out.key_up = keep.weight(PackedWeight.from_float(key_up.transpose(1, 2)))  # [H, R, Dn]
    out.value_up = keep.weight(PackedWeight.from_float(value_up))  # [H, Dv, R]


def _block(block: VisionBlock, kept: list[object]) -> structs.Block:
    keep = _Keeper(kept)
    out = structs.Block()
    out.attention_norm, out.mlp_norm = keep.norm(block.attention_norm), keep.norm(block.mlp_norm)
    out.attention_norm_bias, out.mlp_norm_bias = (keep.floats(n.bias) for n in (block.attention_norm, block.mlp_norm))
    attention, mlp = block.attention, block.mlp
    parts = (attention.qkv, attention.output, mlp.up, mlp.down)
    out.qkv, out.output, out.up, out.down = (
        keep.weight(packed_linear(part, input_bits=VISION_INPUT_BITS)) for part in parts
    )
    return out


class _Keeper:
    """Remember what structures point to."""

    def __init__(self, kept: list[object]) -> None:
        self.kept = kept

    def weight(self, packed: PackedWeight) -> structs.Weight:
        self.kept.append(packed)
        return packed.struct()

    def mlp(self, mlp: MLP) -> structs.MlpWeights:
        return structs.MlpWeights(*(self.weight(packed_linear(w)) for w in (mlp.gate, mlp.up, mlp.down)))

    def norm(self, norm: RMSNorm | nn.LayerNorm) -> int:
        return self.floats(norm.weight)

    def floats(self, values: Tensor) -> int:
        found = _floats(values)
        self.kept.append(found)
        return found.data_ptr()


def _floats(values: Tensor) -> Tensor:
    return values.detach().float().contiguous()
