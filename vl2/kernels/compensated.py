"""Quantisation that lets later columns make good the error of earlier ones (OBQ and GPTQ, arXiv 2210.17323)."""

from __future__ import annotations

import torch
from torch import Tensor

from vl2.kernels.quantized import CODES, QuantizedTensor, quantize, safe_inverse, store

DAMPING = 0.01  # of the mean second moment, added to its diagonal: columns that were never used stay invertible


@torch.no_grad()
def quantize_compensated(weight: Tensor, moments: Tensor, bits: int, group: int) -> QuantizedTensor:
    """Quantise a weight [N, K] so that its product with inputs of these second moments [K, K] changes least.

    Column by column, what rounding changes in the product is taken back by the columns that are still to come.
    """
    left = weight.float().clone()  # [N, K]
    spread = _spread(moments.double())  # [K, K]
    importance = moments.diagonal().float()  # [K]
    width = left.shape[1]
    codes = torch.zeros(len(left), width + -width % group, dtype=torch.int8)  # [N, Kp]
    scales: list[Tensor] = []
    for start in range(0, width, group):
        columns = slice(start, min(start + group, width))
        block = left[:, columns]  # [N, g]
        found = quantize(block, bits, group, importance[columns]).scales  # [N, 1]
        codes[:, columns], errors = _round_block(block, found.float(), spread[columns, columns], bits)
        left[:, columns.stop :] -= errors @ spread[columns, columns.stop :]
        scales.append(found)
    return store(codes, torch.cat(scales, dim=1), bits, group, width)


def _round_block(block: Tensor, scales: Tensor, spread: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """Return codes [N, g] of a block with scales [N, 1], and the errors [N, g] that later columns take."""
    block = block.T.contiguous()  # [g, N]
    codes, errors = torch.zeros_like(block), torch.zeros_like(block)  # [g, N]
    scale, inverse = scales[:, 0], safe_inverse(scales[:, 0])  # [N]
    for column in range(len(block)):
        codes[column] = (block[column] * inverse).round_().clamp_(*CODES[bits])
        errors[column] = (block[column] - codes[column] * scale) / spread[column, column]
        block[column + 1 :] -= spread[column, column + 1 :, None] * errors[column]
    return codes.T.to(torch.int8), errors.T


def _spread(moments: Tensor) -> Tensor:
    """Return the upper Cholesky factor [K, K] of the inverse: its rows spread a column's error over later ones."""
    damped = moments + torch.eye(len(moments)) * (DAMPING * moments.diagonal().mean()).clamp_min(1e-12)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    return torch.linalg.cholesky(inverse, upper=True).float()
