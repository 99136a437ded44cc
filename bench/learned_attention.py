"""Attention that learns, in float32 on one thread of a CPU: native, document by document in PyTorch, and under a mask.

`python bench/learned_attention.py` prints medians of forward and backward together, taking turns. Rows are packed as
pocket's steps are: documents of 20 to 260 tokens in rows of 368, five heads of 32; and a vision tower's tiles of 144
patches, four heads of 32, where nothing is masked.
"""

from __future__ import annotations

import torch
from torch import Tensor
from training import Run, in_turns

from vl2.kernels import cpu_attention, documents, reference
from vl2.kernels.documents import Documents
from vl2.kernels.native.library import set_num_threads
from vl2.model.language import documents_mask

ROWS, TOKENS, ROUNDS, SCALE = 12, 368, 9, 0.18


def packed_rows() -> Documents:
    """Return documents that fill rows."""
    generator = torch.Generator().manual_seed(0)
    rows = []
    for _ in range(ROWS):
        lengths: list[int] = []
        while sum(lengths) < TOKENS:
            length = int(torch.randint(20, 261, (), generator=generator))
            lengths.append(min(length, TOKENS - sum(lengths)))
        rows.append(tuple(lengths))
    return Documents(lengths=tuple(rows))


def parts(batch: int, heads: int, tokens: int) -> list[Tensor]:
    """Return query, key and value [B, H, T, 32]."""
    return [torch.randn(batch, heads, tokens, 32, requires_grad=True) for _ in range(3)]


def compare(title: str, runs: dict[str, Run]) -> None:
    """Print what the contenders take."""
    print(title)
    for way, entry in in_turns(runs, ROUNDS).items():
        print(f"  {way:10}", *(f"{kind} {entry[kind]}" for kind in ("wall_s", "cpu_s")))


def learn(out: Tensor) -> None:
    """Go back once."""
    out.sum().backward()


def main() -> None:
    """Compare both shapes."""
    torch.set_num_threads(1)
    set_num_threads(1)
    packed = packed_rows()
    mask = documents_mask(packed.numbers(), torch.float32)
    qkv = parts(ROWS, 5, TOKENS)
    compare(
        f"{ROWS} rows of {TOKENS} tokens, {sum(map(len, packed.lengths))} documents",
        {
            "ours": lambda: learn(documents.attention(qkv[0], qkv[1], qkv[2], packed, SCALE)),
            "alone": lambda: learn(documents.alone(qkv[0], qkv[1], qkv[2], packed, SCALE)),
            "masked": lambda: learn(reference.attention(qkv[0], qkv[1], qkv[2], mask, SCALE)),
        },
    )
    tiles = parts(46, 4, 144)
    compare(
        "46 tiles of 144 patches",
        {
            "ours": lambda: learn(cpu_attention.attention(tiles[0], tiles[1], tiles[2], None, SCALE)),
            "products": lambda: learn(reference.attention(tiles[0], tiles[1], tiles[2], None, SCALE)),
        },
    )


if __name__ == "__main__":
    main()
