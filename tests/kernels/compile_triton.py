"""Compile every Triton kernel for a GPU that is not here, through its own launcher. A script: a process has one GPU.

The interpreter accepts what the compiler refuses: a variable that changes its shape in a loop, operands without a type.
"""

from __future__ import annotations

import sys

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime.jit import JITFunction

from vl2.kernels import triton_experts, triton_latent, triton_quantized
from vl2.kernels.quantized import CODE_TYPES, QuantizedTensor, packed_shapes

SHARED_BYTES = 99 * 1024  # what a program may have on every card since sm_80
EXPERTS, TOP_K, WIDTH, HIDDEN, HEADS, RANK, ROPE = 8, 6, 2048, 1408, 16, 512, 64  # as in Small; fewer experts


class Absent:
    """The driver of a GPU of which only the architecture is known."""

    def __init__(self, arch: int) -> None:
        self.arch = arch

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self.arch, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0


class Compiled:
    """Compile where a kernel would be launched."""

    def __init__(self, kernel: JITFunction) -> None:
        self.kernel = kernel

    def __getitem__(self, grid: tuple[int, ...]):
        return lambda *arguments, **constants: self.compile(grid, *arguments, **constants)

    def compile(self, grid: tuple[int, ...], *arguments: object, **constants: object) -> None:
        found = self.kernel.warmup(*arguments, grid=grid, **constants)
        fits = found.metadata.shared <= SHARED_BYTES
        print(self.kernel.__name__, grid, found.metadata.shared, "bytes", "" if fits else "TOO LARGE", flush=True)
        if not fits:
            sys.exit(1)


def weight(*shape: int, bits: int) -> torch.Tensor | QuantizedTensor:
    if bits == 16:
        return torch.zeros(shape, dtype=torch.bfloat16)
    codes, scales = packed_shapes(shape, bits, group := 128)
    return QuantizedTensor(
        torch.zeros(codes, dtype=CODE_TYPES[bits]), torch.zeros(scales, dtype=torch.bfloat16), bits, group, shape[-1]
    )


def launch_all(num_tokens: int) -> None:
    x = torch.zeros(num_tokens, WIDTH, dtype=torch.bfloat16)
    ids = torch.zeros(num_tokens, TOP_K, dtype=torch.int64)
    for bits in (16, 8, 4):
        gate, down = weight(EXPERTS, HIDDEN, WIDTH, bits=bits), weight(EXPERTS, WIDTH, HIDDEN, bits=bits)
        triton_experts.routed_experts(x, ids, torch.zeros(ids.shape), gate, gate, down)
    triton_quantized.quantized_linear(x, weight(HIDDEN, WIDTH, bits=4), torch.zeros(HIDDEN, dtype=torch.bfloat16))
    query = torch.zeros(1, HEADS, 1, RANK + ROPE, dtype=torch.bfloat16).split((RANK, ROPE), dim=-1)
    slots = torch.zeros(1, 700, RANK + ROPE, dtype=torch.bfloat16).split((RANK, ROPE), dim=-1)
    mask = torch.zeros(1, 1, 1, 700, dtype=torch.bfloat16)
    triton_latent.latent_attention(*query, *slots, mask, 0.1)


def main(arch: int, num_tokens: int) -> None:
    triton.runtime.driver.set_active(Absent(arch))
    for module in (triton_experts, triton_quantized, triton_latent):
        for name, kernel in list(vars(module).items()):
            # those with a grid of their own; the others are parts of them
            if isinstance(kernel, JITFunction) and kernel.__module__ == module.__name__ and name != "_share":
                setattr(module, name, Compiled(kernel))
    launch_all(num_tokens)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
