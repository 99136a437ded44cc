"""Routed experts on a GPU: pairs of token and expert sorted by expert, each expert's share in tiles of its own.

Three kernels and a sum: sort; gate, up and SiLU; down times the routing weight; the sum over a token's experts. Their
grids follow from shapes alone: the host never waits for a count, which a CUDA graph could not do either.
"""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from vl2.core.errors import VL2Error
from vl2.kernels import grouped, sorted_experts
from vl2.kernels.quantized import QuantizedTensor
from vl2.kernels.triton_weights import (
    Weight,
    add_product,
    jit,
    load_tile,
    needs_gradient,
    power_of_two,
    store_tile,
    stored,
    tile_for,
)

SORTED_AT_ONCE = 1024  # pairs
MOST_GATED = 64  # columns of gate and of up that share the registers of a program


def routed_experts(x: Tensor, topk_ids: Tensor, topk_weights: Tensor, gate: Weight, up: Weight, down: Weight) -> Tensor:
    """Equal to `reference.routed_experts`, also for quantised experts; ids are 0..E-1.

    There is no backward: where one may follow, the twins in `grouped` and `sorted_experts` compute.
    """
    if needs_gradient(x, topk_weights, gate, up, down):
        if isinstance(gate, QuantizedTensor) and isinstance(up, QuantizedTensor) and isinstance(down, QuantizedTensor):
            return grouped.quantized_experts(x, topk_ids, topk_weights, gate, up, down)
        return sorted_experts.routed_experts(x, topk_ids, topk_weights, *map(_trainable, (gate, up, down)))
    _check(x, topk_ids, topk_weights, gate, up, down)
    (num_experts, hidden_size, width), (num_tokens, top_k) = gate.shape, topk_ids.shape
    num_pairs = num_tokens * top_k
    if not num_pairs:
        return torch.zeros_like(x)
    x, topk_ids, topk_weights = x.contiguous(), topk_ids.contiguous(), topk_weights.contiguous()
    order, counts = sort_by_expert(topk_ids, num_experts)
    tile = tile_for(num_pairs / num_experts, x.dtype)
    num_blocks = _most_blocks(num_pairs, num_experts, tile.rows)
    sizes = {"num_experts": num_experts, "EXPERTS": power_of_two(num_experts), "ROWS": tile.rows}
    launch = {"num_warps": tile.num_warps, "num_stages": tile.num_stages}

    gates, ups, downs = (stored(weight, x.dtype) for weight in (gate, up, down))
    if gates[2:] != ups[2:]:
        raise VL2Error("experts", "gate and up are stored differently", got=ups[2:], expected=gates[2:])
    hidden = torch.empty(num_pairs, hidden_size, dtype=x.dtype, device=x.device)  # [N*K, F] in the order of experts
    columns = min(tile.columns, MOST_GATED)
    _gate_up[num_blocks, -(-hidden_size // columns)](
        x, gates.numbers, gates.scales, ups.numbers, ups.scales, order, counts, hidden,
        width, hidden_size, gates.num_stored, gates.num_groups, top_k,
        BITS=gates.bits, GROUP=gates.group, INNER=gates.inner, COLUMNS=columns, **sizes, **launch,
    )  # fmt: skip
    parts = torch.empty(num_tokens, top_k, width, dtype=torch.float32, device=x.device)  # [N, K, D]
    _down[num_blocks, -(-width // tile.columns)](
        hidden, downs.numbers, downs.scales, order, counts, topk_weights, parts,
        hidden_size, width, downs.num_stored, downs.num_groups,
        BITS=downs.bits, GROUP=downs.group, INNER=downs.inner, COLUMNS=tile.columns, **sizes, **launch,
    )  # fmt: skip
    return parts.sum(1).to(x.dtype)  # [N, D]


def sort_by_expert(topk_ids: Tensor, num_experts: int) -> tuple[Tensor, Tensor]:
    """Return the places of topk_ids [N, K], stably sorted by expert [N*K], and how many each expert has [E]."""
    order = torch.empty(topk_ids.numel(), dtype=torch.int32, device=topk_ids.device)  # [N*K]
    counts = torch.empty(num_experts, dtype=torch.int32, device=topk_ids.device)  # [E]
    at_once = min(SORTED_AT_ONCE, power_of_two(topk_ids.numel()))
    _sort[num_experts,](topk_ids, order, counts, topk_ids.numel(), AT_ONCE=at_once)
    return order, counts


def _most_blocks(num_pairs: int, num_experts: int, rows: int) -> int:
    """Return how many blocks of `rows` the shares can need: the last one of each expert may not be full."""
    num_busy = min(num_experts, num_pairs)
    return (num_pairs + num_busy * (rows - 1)) // rows


def _trainable(weight: Weight) -> Tensor:
    if isinstance(weight, QuantizedTensor):
        raise VL2Error("experts", "are quantised in part", do="Quantise gate, up and down, or none of them.")
    return weight


def _check(x: Tensor, topk_ids: Tensor, topk_weights: Tensor, gate: Weight, up: Weight, down: Weight) -> None:
    """Raise where a kernel would read beyond a tensor."""
    num_experts, hidden_size, width = gate.shape
    found = (tuple(up.shape), tuple(down.shape), tuple(topk_ids.shape), tuple(topk_weights.shape), x.shape[1])
    tokens = (len(x), topk_ids.shape[-1])
    expected = ((num_experts, hidden_size, width), (num_experts, width, hidden_size), tokens, tokens, width)
    if found != expected:
        raise VL2Error("experts", "shapes of up, down, ids, weights and x differ", got=found, expected=expected)


@jit
def _sort(ids, order, counts, num_pairs, AT_ONCE: tl.constexpr):
    """Write the places of one expert's pairs behind those of all experts before it."""
    expert = tl.program_id(0)
    count = 0
    first = 0
    for start in range(0, num_pairs, AT_ONCE):
        places = start + tl.arange(0, AT_ONCE)
        chosen = tl.load(ids + places, mask=places < num_pairs, other=-1)
        count += tl.sum((chosen == expert).to(tl.int32))
        first += tl.sum(((chosen >= 0) & (chosen < expert)).to(tl.int32))
    tl.store(counts + expert, count)
    for start in range(0, num_pairs, AT_ONCE):
        places = start + tl.arange(0, AT_ONCE)
        is_ours = tl.load(ids + places, mask=places < num_pairs, other=-1) == expert
        rank = tl.cumsum(is_ours.to(tl.int32))
        tl.store(order + first + rank - 1, places, mask=is_ours)
        first += tl.sum(is_ours.to(tl.int32))


@jit
def _share(counts, num_experts, ROWS: tl.constexpr, EXPERTS: tl.constexpr):
    """Return whose block this is, its first row in the order of experts, and how many rows the share has from there.

    `num_experts` or more stands for a block that nobody needs.
    """
    experts = tl.arange(0, EXPERTS)
    sizes = tl.load(counts + experts, mask=experts < num_experts, other=0)
    blocks = (sizes + ROWS - 1) // ROWS
    block = tl.program_id(0)
    expert = tl.sum((tl.cumsum(blocks) <= block).to(tl.int32))
    offset = (block - tl.sum(tl.where(experts < expert, blocks, 0))) * ROWS
    first = tl.sum(tl.where(experts < expert, sizes, 0)) + offset
    left = tl.sum(tl.where(experts == expert, sizes, 0)) - offset
    return expert, first, left


@jit
def _gate_up(
    x, gate, gate_scales, up, up_scales, order, counts, hidden,
    width, hidden_size, num_stored, num_groups, top_k, num_experts,
    BITS: tl.constexpr, GROUP: tl.constexpr, INNER: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, EXPERTS: tl.constexpr,
):  # fmt: skip
    """Write silu(x @ gate) * (x @ up) of one block of one expert's pairs, for some columns of the hidden layer."""
    expert, first, left = _share(counts, num_experts, ROWS, EXPERTS)
    if expert >= num_experts:
        return
    lanes = tl.arange(0, ROWS)
    is_pair = lanes < left
    tokens = tl.load(order + first + lanes, mask=is_pair, other=0).to(tl.int64) // top_k
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    is_column = columns < hidden_size
    rows = expert.to(tl.int64) * hidden_size + columns
    gated = tl.zeros((ROWS, COLUMNS), tl.float32)
    upped = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, width, INNER):
        inner = start + tl.arange(0, INNER)
        a = load_tile(x, tokens * width, inner, is_pair, inner < width)
        gated = add_product(
            gated, a, gate, gate_scales, rows, is_column, start, width, num_stored, num_groups, BITS, GROUP, INNER
        )
        upped = add_product(
            upped, a, up, up_scales, rows, is_column, start, width, num_stored, num_groups, BITS, GROUP, INNER
        )
    out = gated * tl.sigmoid(gated) * upped
    store_tile(hidden, (first + lanes).to(tl.int64) * hidden_size, columns, is_pair, is_column, out)


@jit
def _down(
    hidden, down, down_scales, order, counts, weights, parts,
    hidden_size, width, num_stored, num_groups, num_experts,
    BITS: tl.constexpr, GROUP: tl.constexpr, INNER: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, EXPERTS: tl.constexpr,
):  # fmt: skip
    """Write weight * (hidden @ down) of one block of one expert's pairs to the places of the pairs."""
    expert, first, left = _share(counts, num_experts, ROWS, EXPERTS)
    if expert >= num_experts:
        return
    lanes = tl.arange(0, ROWS)
    is_pair = lanes < left
    pairs = tl.load(order + first + lanes, mask=is_pair, other=0).to(tl.int64)
    starts = (first + lanes).to(tl.int64) * hidden_size
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    is_column = columns < width
    rows = expert.to(tl.int64) * width + columns
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, hidden_size, INNER):
        inner = start + tl.arange(0, INNER)
        a = load_tile(hidden, starts, inner, is_pair, inner < hidden_size)
        total = add_product(
            total, a, down, down_scales, rows, is_column, start, hidden_size, num_stored, num_groups, BITS, GROUP, INNER
        )
    weight = tl.load(weights + pairs, mask=is_pair, other=0).to(tl.float32)
    store_tile(parts, pairs * width, columns, is_pair, is_column, total * weight[:, None])
