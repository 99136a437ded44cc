"""Random weights of true size: made in their own format at the speed of memory, with routers that use every expert."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn

from vl2.model import VL2, VL2Config
from vl2.weights.empty import empty_model, model_tensors
from vl2.weights.names import PARTS

# A prime: rows, experts and layers begin at other places of the block, so that no two are alike.
BLOCK_NUMBERS = 15_485_863
WEIGHT_STD = 0.02
EMBEDDING_STD = 1.0  # large beside what the layers add: tokens stay apart, and routers see the difference
ROUTER_LOGIT_STD = 1.0  # of a normalised state; six of 64 experts then differ from token to token
CODES, SCALES = PARTS
CODE_STD = {torch.int8: 73.3, torch.uint8: 4.6}  # of uniform codes -127..127 and -8..7

Module = TypeVar("Module", bound=nn.Module)


def random_model(config: VL2Config, dtype: torch.dtype = torch.bfloat16) -> VL2:
    """Return a model of random weights, quantised where the config says so; nothing larger than it is allocated."""
    return fill_random(empty_model(config, dtype).to(dtype)).eval()


def fill_random(module: Module, router: str = ".router.weight") -> Module:
    """Allocate a module that is on the meta device, and fill it; `router` ends the name of a router's weight."""
    module.to_empty(device="cpu")
    blocks: dict[torch.dtype, Tensor] = {}
    place = 0
    with torch.no_grad():
        for name, tensor in model_tensors(module):
            tensor.requires_grad_(False)
            if tensor.ndim == 1 and not name.endswith(SCALES):
                tensor.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
                continue
            if tensor.dtype not in blocks:
                blocks[tensor.dtype] = _block(tensor.dtype)
            place = _tile(tensor, blocks[tensor.dtype], place)
            if name.endswith(SCALES):  # of either sign: four-bit codes alone have a mean of -0.5
                codes = module.get_buffer(name.removesuffix(SCALES) + CODES)
                tensor.sign_().mul_(_std(name, tensor, router) / CODE_STD[codes.dtype])
            elif not name.endswith(CODES):
                tensor.mul_(_std(name, tensor, router))
    return module


def fill_like_cache(slots: Tensor) -> None:
    """Fill cache slots as if tokens had been read: timing does not depend on what they were."""
    _tile(slots, _block(slots.dtype, slots.numel()), 0)


def activated_bytes(model: VL2) -> int:
    """Return the bytes of the weights that a token of text meets: K of E experts, and no table of embeddings."""
    language = model.config.language_config
    share = (language.num_experts_per_tok or 0) / (language.n_routed_experts or 1)
    return round(sum(size * (share if is_routed else 1.0) for size, is_routed in _language_sizes(model)))


def _language_sizes(model: VL2) -> Iterator[tuple[int, bool]]:
    """Yield the bytes of each tensor of the language model, and whether it belongs to routed experts."""
    for name, tensor in model_tensors(model):
        if name.startswith("language.") and not name.startswith("language.embedding."):
            yield tensor.nbytes, ".routed_experts." in name


def _block(dtype: torch.dtype, most: int = BLOCK_NUMBERS) -> Tensor:
    block = torch.empty(min(BLOCK_NUMBERS, most), dtype=dtype)
    match dtype:
        case torch.int8:
            return block.random_(-127, 128)
        case torch.uint8:
            return block.random_(0, 256)
        case _:
            return block.normal_()


def _tile(target: Tensor, block: Tensor, place: int) -> int:
    """Repeat a block over a tensor, beginning at `place` in the block; return where the next tensor begins."""
    flat = target.view(-1)
    done = 0
    while done < len(flat):
        count = min(len(flat) - done, len(block) - place)
        flat[done : done + count] = block[place : place + count]
        done, place = done + count, (place + count) % len(block)
    return place


def _std(name: str, tensor: Tensor, router: str) -> float:
    if name.endswith(router):
        return ROUTER_LOGIT_STD * tensor.shape[-1] ** -0.5
    is_embedding = "embed" in name and "patch" not in name and "pos" not in name
    return EMBEDDING_STD if is_embedding else WEIGHT_STD
