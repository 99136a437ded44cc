"""Random weights of true size: made in their own format at the speed of memory, with routers that use every expert."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from vl2.engine.cache import PagedCache
from vl2.kernels.cache_entry import store_entries
from vl2.model import VL2, VL2Config
from vl2.model.config import VisionConfig
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


def fill_like_cache(cache: PagedCache) -> None:
    """Fill a cache as if tokens had been read: timing does not depend on what they were."""
    if not cache.group:
        _tile(cache.slots, _block(cache.slots.dtype, cache.slots.numel()), 0)
        return
    for layer in cache.slots:
        layer.copy_(store_entries(torch.randn(len(layer), cache.width), cache.group))


@dataclass(frozen=True)
class WeightBytes:
    """What the language model's weights weigh, without the table of embeddings."""

    always: int  # read for every token
    routed: int  # of all experts together
    top_k: int
    num_experts: int

    @classmethod
    def of(cls, model: VL2) -> WeightBytes:
        """Weigh a model that is not packed yet."""
        config, sizes = model.config.language_config, list(_language_sizes(model))
        always, routed = (sum(size for size, is_routed in sizes if is_routed is wanted) for wanted in (False, True))
        return cls(always, routed, config.num_experts_per_tok or 0, config.n_routed_experts or 1)

    def read(self, batch: int) -> int:
        """Return the bytes of a step over `batch` tokens: K of E experts each, as likely one as the other."""
        share = 1 - (1 - self.top_k / self.num_experts) ** batch
        return round(self.always + share * self.routed)


def vision_operations(config: VisionConfig) -> int:
    """Return the additions and multiplications of a tile's products in the blocks of the vision tower."""
    patches, width, hidden = config.patches_per_side**2, config.width, round(config.width * config.mlp_ratio)
    weights = config.layers * (4 * width**2 + 2 * width * hidden)
    return 2 * patches * weights + 4 * config.layers * patches**2 * width


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
