"""Absorbed latent attention for decode: all heads of a row read each latent once, long contexts in several parts.

Each part keeps a running softmax: the largest score, the sum of the weights and the weighted sum of latents. A second
kernel joins the parts.
"""

from __future__ import annotations

import torch
import triton.language as tl
from torch import Tensor

from vl2.core.errors import VL2Error
from vl2.kernels import reference
from vl2.kernels.triton_weights import jit, load_tile, needs_gradient, power_of_two, product, store_tile

QUERIES = 16  # heads and new tokens of a program; the least that a matrix unit takes
LEAST_INNER = 16  # columns of a product, likewise
SLOT_BYTES = 64  # of one column of the latents in a tile: 32 slots, 16 in float32
LEAST_SLOTS, MOST_PARTS = 256, 16  # shorter parts cost more to join than they save
NO_SCORE = tl.constexpr(-1e30)  # finite: a part whose slots are all masked has no weight, rather than NaN


def latent_attention(
    query: Tensor, query_rope: Tensor, latent: Tensor, rope_key: Tensor, mask: Tensor | None, scale: float
) -> Tensor:
    """Equal to `reference.latent_attention`, which also computes where a backward may follow."""
    if needs_gradient(query, query_rope, latent, rope_key):
        return reference.latent_attention(query, query_rope, latent, rope_key, mask, scale)
    (batch, heads, new, rank), (num_slots, rope) = query.shape, rope_key.shape[1:]
    _check(query, query_rope, latent, rope_key)
    if mask is not None:
        mask = mask.expand(batch, 1, new, num_slots)  # [B, 1, T, S]
    at_once = SLOT_BYTES // latent.dtype.itemsize
    slots = max(LEAST_SLOTS, -(-num_slots // (MOST_PARTS * at_once)) * at_once)  # of a part
    num_parts, num_queries = -(-num_slots // slots), heads * new
    sums = torch.empty(batch, num_queries, num_parts, rank, dtype=torch.float32, device=query.device)
    peaks, weights = torch.empty(2, batch, num_queries, num_parts, dtype=torch.float32, device=query.device)
    columns = power_of_two(max(rank, LEAST_INNER))
    _attend_part[num_parts, -(-num_queries // QUERIES), batch](
        query.contiguous(), query_rope.contiguous(), latent, rope_key, mask, sums, peaks, weights, scale,
        num_queries, new, num_slots, slots, rank, rope, *latent.stride()[:2], *rope_key.stride()[:2],
        *((0, 0, 0) if mask is None else (mask.stride(0), mask.stride(2), mask.stride(3))),
        HAS_MASK=mask is not None, RANK=columns, ROPE=power_of_two(max(rope, LEAST_INNER)), QUERIES=QUERIES,
        SLOTS=at_once, num_warps=4 if query.dtype.itemsize < 4 else 8, num_stages=2,
    )  # fmt: skip
    out = torch.empty(batch, heads, new, rank, dtype=query.dtype, device=query.device)  # [B, H, T, R]
    _join[batch * num_queries,](
        sums, peaks, weights, out, num_parts, rank, RANK=columns, PARTS=power_of_two(num_parts), num_warps=4
    )
    return out


def _check(query: Tensor, query_rope: Tensor, latent: Tensor, rope_key: Tensor) -> None:
    """Raise where the kernel would read beyond a tensor."""
    (batch, heads, new, rank), (num_slots, rope) = query.shape, rope_key.shape[1:]
    found = (tuple(query_rope.shape), tuple(latent.shape), len(rope_key))
    expected = ((batch, heads, new, rope), (batch, num_slots, rank), batch)
    if found != expected:
        raise VL2Error("attention", "shapes of query, latent and rope key differ", got=found, expected=expected)
    if latent.stride(-1) != 1 or rope_key.stride(-1) != 1:
        raise VL2Error("attention", "columns of a slot are not neighbours in memory", do="Keep slots as [.., S, R+Dr].")


@jit
def _attend_part(
    query, query_rope, latent, rope_key, mask, sums, peaks, weights, scale,
    num_queries, new, num_slots, slots_per_part, rank, rope,
    latent_batch, latent_slot, key_batch, key_slot, mask_batch, mask_token, mask_slot,
    HAS_MASK: tl.constexpr, RANK: tl.constexpr, ROPE: tl.constexpr, QUERIES: tl.constexpr, SLOTS: tl.constexpr,
):  # fmt: skip
    """Attend from some queries of a row over the slots of one part."""
    part, batch = tl.program_id(0), tl.program_id(2).to(tl.int64)
    queries = tl.program_id(1) * QUERIES + tl.arange(0, QUERIES)
    is_query = queries < num_queries
    columns, rope_columns = tl.arange(0, RANK), tl.arange(0, ROPE)
    is_column, is_rope = columns < rank, rope_columns < rope

    rows = batch * num_queries + queries
    q = load_tile(query, rows * rank, columns, is_query, is_column)
    q_rope = load_tile(query_rope, rows * rope, rope_columns, is_query, is_rope)

    peak = tl.full((QUERIES,), NO_SCORE, tl.float32)
    weight = tl.zeros((QUERIES,), tl.float32)
    total = tl.zeros((QUERIES, RANK), tl.float32)
    first = part * slots_per_part
    for start in range(first, tl.minimum(first + slots_per_part, num_slots), SLOTS):
        slots = start + tl.arange(0, SLOTS)
        is_slot = slots < num_slots
        seen = load_tile(latent + batch * latent_batch, slots * latent_slot, columns, is_slot, is_column)
        keys = load_tile(rope_key + batch * key_batch, slots * key_slot, rope_columns, is_slot, is_rope)
        scores = product(q, tl.trans(seen), tl.zeros((QUERIES, SLOTS), tl.float32))
        scores = product(q_rope, tl.trans(keys), scores) * scale
        if HAS_MASK:
            starts = queries % new * mask_token
            penalty = load_tile(mask + batch * mask_batch, starts, slots * mask_slot, is_query, is_slot)
            scores += penalty.to(tl.float32)
        scores = tl.where(is_slot[None, :], scores, float("-inf"))
        highest = tl.maximum(peak, tl.max(scores, 1))
        faded = tl.exp(peak - highest)
        chances = tl.exp(scores - highest[:, None])
        weight = weight * faded + tl.sum(chances, 1)
        total = product(chances.to(seen.dtype), seen, total * faded[:, None])
        peak = highest

    places = rows * tl.num_programs(0) + part
    tl.store(peaks + places, peak, mask=is_query)
    tl.store(weights + places, weight, mask=is_query)
    store_tile(sums, places * rank, columns, is_query, is_column, total)


@jit
def _join(sums, peaks, weights, out, num_parts, rank, RANK: tl.constexpr, PARTS: tl.constexpr):
    """Write the attention of one query from its parts."""
    query = tl.program_id(0).to(tl.int64)
    parts, columns = tl.arange(0, PARTS), tl.arange(0, RANK)
    is_part, is_column = parts < num_parts, columns < rank
    places = query * num_parts + parts
    peak = tl.load(peaks + places, mask=is_part, other=NO_SCORE)
    share = tl.exp(peak - tl.max(peak, 0))
    weight = tl.sum(share * tl.load(weights + places, mask=is_part, other=0), 0)
    total = load_tile(sums, places * rank, columns, is_part, is_column)
    found = tl.sum(share[:, None] * total, 0) / weight
    tl.store(out + query * rank + columns, found.to(out.dtype.element_ty), mask=is_column)
