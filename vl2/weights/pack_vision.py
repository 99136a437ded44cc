"""Pack the vision tower for the CPU kernels, or leave it to PyTorch where that is the faster one."""

from __future__ import annotations

from collections import deque
from typing import Any

import torch
from torch import Tensor, nn

from vl2.kernels import Backends
from vl2.kernels.native import structs
from vl2.kernels.native.compiler import instructions
from vl2.kernels.native.layers import VisionStack
from vl2.kernels.native.library import kernel_threads
from vl2.kernels.native.packed import PackedWeight, multiply
from vl2.kernels.quantized_linear import QuantizedLinear
from vl2.model.vision import NORM_EPS, VisionBlock, VisionTower
from vl2.weights.pack_parts import Keeper, packed_linear

# Of activations that meet integers: eight bits take half the time, and no score of pocket moves.
VISION_INPUT_BITS = 8
LEAST_TILE_WIDTH = 512  # of a vision tower: below it products are too small for tiles to pay


class PackedPatches(nn.Module):
    """The convolution that embeds patches, as one product: PyTorch's in bfloat16 is slow on many processors."""

    def __init__(self, source: nn.Conv2d) -> None:
        super().__init__()
        self.side = source.kernel_size[0]
        self.packed = PackedWeight.from_float(source.weight.flatten(1), source.bias)

    def forward(self, tiles: Tensor) -> Tensor:
        """Return patches [N, P, C] for tiles [N, 3, S, S]; what is left of a side has no patch."""
        whole = tiles.shape[-1] // self.side * self.side
        grid = tiles[..., :whole, :whole]
        grid = grid.unflatten(3, (-1, self.side)).unflatten(2, (-1, self.side))  # [N, 3, Y, p, X, p]
        return multiply(grid.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2), self.packed)


class PackedVision(nn.Module):
    """What `VisionTower` computes, in float32 between the weights."""

    def __init__(self, source: VisionTower) -> None:
        """Take over a vision tower, whose blocks are gone afterwards."""
        super().__init__()
        self.config = source.config
        self.patches, self.pos_embed, self.norm = PackedPatches(source.patch_embed), source.pos_embed, source.norm
        blocks: deque[Any] = deque(source.blocks)
        source.blocks = nn.ModuleList()
        kept: list[object] = []
        packed = [_block(blocks.popleft(), kept) for _ in range(len(blocks))]
        shape = structs.Vision(0, self.config.width, self.config.heads, self.config.patches_per_side**2, NORM_EPS)
        self.stack = VisionStack(shape, packed, kept)

    def forward(self, tiles: Tensor, backends: Backends) -> Tensor:
        """Return patch features [N, P, C] for tiles [N, 3, S, S] in -1..1, after the final norm."""
        x = self.patches(tiles.to(self.pos_embed.dtype))  # [N, P, C]
        x = self.stack.run(x + self.pos_embed)  # [N, P, C]
        return self.norm(x.to(self.pos_embed.dtype))  # [N, P, C]


class TileVision(nn.Module):
    """`VisionTower` as PyTorch computes it, with all threads beside kernels that leave PyTorch one."""

    def __init__(self, source: VisionTower) -> None:
        super().__init__()
        self.source = source

    def forward(self, tiles: Tensor, backends: Backends) -> Tensor:
        """Return patch features [N, P, C] for tiles [N, 3, S, S] in -1..1, after the final norm."""
        with kernel_threads():  # one by one: what lies between the products of many tiles fits no cache
            return torch.cat([self.source(tile, backends) for tile in tiles.split(1)])


def suits_tile_products(vision: VisionTower) -> bool:
    """Tell whether PyTorch is the faster one.

    Measured for one tile of the released tower on two cores of a Xeon with AMX: 0.75 s against 0.88 s.
    """
    is_half = all(parameter.dtype == torch.bfloat16 for parameter in vision.parameters())
    is_wide = vision.config.width >= LEAST_TILE_WIDTH
    is_whole = not any(isinstance(module, QuantizedLinear) for module in vision.modules())
    return is_half and is_wide and is_whole and "amx_bf16" in instructions().split()


def _block(block: VisionBlock, kept: list[object]) -> structs.Block:
    keep = Keeper(kept)
    out = structs.Block()
    out.attention_norm, out.mlp_norm = keep.norm(block.attention_norm), keep.norm(block.mlp_norm)
    out.attention_norm_bias, out.mlp_norm_bias = (keep.floats(n.bias) for n in (block.attention_norm, block.mlp_norm))
    attention, mlp = block.attention, block.mlp
    parts = (attention.qkv, attention.output, mlp.up, mlp.down)
    out.qkv, out.output, out.up, out.down = (
        keep.weight(packed_linear(part, input_bits=VISION_INPUT_BITS)) for part in parts
    )
    return out
