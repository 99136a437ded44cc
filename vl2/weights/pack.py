"""Pack a model for the CPU kernels: the same model for the engine, no longer one to train."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from vl2.core.batch import PADDING, CacheView, PagedSlots
from vl2.core.errors import VL2Error
from vl2.core.memory import give_back
from vl2.kernels import Backends
from vl2.kernels.native import structs
from vl2.kernels.native.embeddings import EmbeddingTable
from vl2.kernels.native.layers import LanguageStack, Room, Rope, Rows
from vl2.kernels.native.library import library, one_torch_thread
from vl2.kernels.native.packed import NO_WEIGHT, PackedLinear, PackedWeight
from vl2.kernels.quantized_linear import QuantizedLinear, QuantizedWeight
from vl2.model import VL2
from vl2.model.attention import LATENT_NORM_EPS, MHA, MLA, RopeTable
from vl2.model.config import LanguageConfig
from vl2.model.language import Hidden, LanguageModel, Layer
from vl2.model.moe import MLP, MoE
from vl2.weights.pack_parts import Keeper, floats, packed_experts, packed_linear
from vl2.weights.pack_vision import PackedVision, TileVision, suits_tile_products

TEMPORARY_BLOCK = 16


def pack_model(model: VL2) -> VL2:
    """Replace the parts of a model on the CPU by packed ones, layer by layer, and return it.

    Without native kernels the model stays as it is. Takes the memory of one layer beside the model's own.
    """
    if library() is None or model.tile_newline.device.type != "cpu":
        return model
    model.language = PackedLanguage(model.language)  # pyright: ignore[reportAttributeAccessIssue]
    vision = TileVision if suits_tile_products(model.vision) else PackedVision
    model.vision = vision(model.vision)  # pyright: ignore[reportAttributeAccessIssue]
    for owner in (model.adaptor, model.adaptor.hidden):
        for name, module in list(owner.named_children()):
            if isinstance(module, QuantizedLinear | nn.Linear):
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
        norm, scale = floats(source.norm.weight), layers[0].attention.scale
        kept: list[object] = [norm]
        packed: list[structs.Layer] = []
        while layers:
            packed.append(_layer(layers.popleft(), self.config, kept))
            give_back()
        self.stack = LanguageStack(_shape(self.config, norm, scale), packed, kept)
        self.head = PackedLinear(packed_linear(source.head))
        self.embeddings = EmbeddingTable.of(self.embedding)
        self._rope: Rope | None = None  # of the positions seen so far
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
        room, tables = self._room(counts, cache)
        rows = Rows(counts, positions[:, 0].tolist(), tables)
        table = self._table(rows.end)
        if min(counts) == embeds.shape[1]:
            return Hidden(self.stack.run(embeds.flatten(0, 1), table, rows, room).view(embeds.shape), {})
        real = documents != PADDING  # [B, T]
        out = torch.zeros(embeds.shape)
        out[real] = self.stack.run(embeds[real], table, rows, room)
        return Hidden(out, {})

    def decode(self, ids: Sequence[int], starts: Sequence[int], tables: Sequence[Sequence[int]], room: Room) -> Tensor:
        """Return the logits [B, V] behind one token a row, at position starts[b] of row b, and write the cache.

        tables[b] are the blocks of row b in `room`, in the order of its positions.
        """
        rows = Rows([1] * len(ids), starts, tables)
        return self.stack.logits(ids, self.embeddings, self._table(rows.end), rows, room, self.head.packed)

    def _table(self, count: int) -> Rope:
        """Return the rotary table of at least `count` positions."""
        table = self._rope
        if table is None or table.length < count:
            positions = torch.arange(1 << (count - 1).bit_length())[None]  # [1, P]
            cos, sin = (part[0, 0].float().contiguous() for part in self.rope(positions))  # [P, Dr]
            table = self._rope = self.stack.rope(cos, sin)  # another thread may put a shorter one there meanwhile
        return table

    def _room(self, counts: Sequence[int], cache: CacheView | None) -> tuple[Room, list[list[int]]]:
        """Return slots and block tables: the cache's, or new ones for a pass without a cache."""
        if isinstance(cache, PagedSlots):
            return self.stack.room(cache.slots, cache.block_size), cache.tables.tolist()
        if cache is not None:
            raise VL2Error("cache", "has no block tables", got=type(cache).__name__, expected="the engine's cache")
        blocks = -(-max(counts) // TEMPORARY_BLOCK)
        shape = (self.config.num_hidden_layers, len(counts) * blocks * TEMPORARY_BLOCK, self.config.cache_width)
        tables = [[*range(row * blocks, (row + 1) * blocks)] for row in range(len(counts))]
        return self.stack.room(torch.zeros(shape, dtype=self.dtype), TEMPORARY_BLOCK), tables


def beside_kernels(model: VL2) -> AbstractContextManager[None]:
    """Return what to compute a step of a model in: beside native kernels PyTorch keeps to one thread."""
    return one_torch_thread() if isinstance(model.language, PackedLanguage) else nullcontext()


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
    keep = Keeper(kept)
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


def _latent(attention: MLA, out: structs.Layer, keep: Keeper) -> None:
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
