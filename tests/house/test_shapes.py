"""Every shape comment that the model passes speaks the truth: small models whose sizes cannot be mistaken."""

from __future__ import annotations

import pkgutil
import warnings
from collections import Counter
from functools import cache

import pytest
import torch

import vl2.core
import vl2.kernels
import vl2.model
from tests.house.shape_comments import Site
from tests.house.shape_tracer import Report, trace_shapes
from vl2.core.batch import Batch, ModelInput
from vl2.core.tiles import TileGrid
from vl2.engine.cache import PagedCache
from vl2.kernels import Backends, reference, sdpa
from vl2.model.config import AdaptorConfig, LanguageConfig, RopeScaling, VisionConfig, VL2Config
from vl2.model.vlm import VL2

# Sizes: primes, or a prime times what the model requires (heads, pairs of a rotation, groups of experts).
BATCH, TOKENS, VOCAB = 2, 41, 127
TILE, PATCH, SIDE, SHUFFLED = 39, 13, 3, 2  # 3x3 patches become 2x2
VISION_HEADS, VISION_HEAD = 3, 7
HEADS, MHA_HEAD, NOPE, ROPE, VALUE, RANK, QUERY_RANK = 5, 22, 17, 26, 19, 23, 29
EXPERTS, GROUPS, KEPT_GROUPS, TOP_K, SHARED, HIDDEN, DENSE = 33, 3, 2, 4, 2, 37, 61
MHA_WIDTH, MLA_WIDTH = HEADS * MHA_HEAD, 101
ROWS = ((TileGrid(1, 1), TileGrid(1, 2, kept_share=0.5)), (TileGrid(2, 1),))  # the images of each row
NUM_TILES = sum(grid.num_tiles for row in ROWS for grid in row)

MODULES = [
    module.name
    for package in (vl2.core, vl2.kernels, vl2.model)
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + ".")
    if not module.ispkg and not module.name.rsplit(".", 1)[1].startswith("triton_")  # no GPU here
]
VARIANTS = {
    "mha": {"use_mla": False, "topk_method": "greedy"},
    "mla": {"q_lora_rank": None, "topk_method": "greedy"},
    "mla, latent queries, YaRN, grouped sigmoid routing": {
        "topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": True,
        "rope_scaling": RopeScaling(type="yarn", factor=4.0, mscale=0.7, mscale_all_dim=0.5),
    },
    "mla, linear positions, grouped softmax routing": {
        "topk_method": "group_limited_greedy", "rope_scaling": RopeScaling(type="linear", factor=2.0),
    },
}  # fmt: skip


RUNS = [(variant, "best") for variant in VARIANTS] + [
    (variant, kernels) for variant in ("mha", "mla") for kernels in ("reference", "sdpa")
]


def legend(*, is_mla: bool) -> dict[str, int | tuple[int, ...]]:
    """Return all sizes of a letter: B and T also name tiles and patches where attention serves the vision tower.

    N is left out: it counts what a call is given, tiles or tokens, and only has to stay the same within that call.
    """
    head = NOPE + ROPE if is_mla else MHA_HEAD
    patches = SIDE * SIDE
    return {
        "B": (BATCH, NUM_TILES),
        "T": (TOKENS, 1, patches),
        "S": (TOKENS, TOKENS + 1, patches, TILE),
        "P": patches,
        "Q": SHUFFLED,
        "C": VISION_HEADS * VISION_HEAD,
        "D": MLA_WIDTH if is_mla else MHA_WIDTH,
        "H": (HEADS, VISION_HEADS),
        "Dh": (head, VISION_HEAD),
        "Dn": NOPE,
        "Dr": ROPE if is_mla else MHA_HEAD,
        "Dv": (VALUE if is_mla else MHA_HEAD, VISION_HEAD),
        "R": (RANK, QUERY_RANK),
        "E": EXPERTS,
        "G": GROUPS,
        "Gk": KEPT_GROUPS,
        "K": TOP_K,
        "F": (HIDDEN, SHARED * HIDDEN, DENSE),
        "V": VOCAB,
    }


def build(changes: dict[str, object], backends: Backends) -> VL2:
    is_mla = changes.get("use_mla", True)
    width = MLA_WIDTH if is_mla else MHA_WIDTH
    values: dict[str, object] = {
        "vocab_size": VOCAB, "hidden_size": width, "intermediate_size": DENSE, "moe_intermediate_size": HIDDEN,
        "num_hidden_layers": 2, "num_attention_heads": HEADS, "num_key_value_heads": HEADS,
        "n_routed_experts": EXPERTS, "n_shared_experts": SHARED, "num_experts_per_tok": TOP_K,
        "first_k_dense_replace": 1, "n_group": GROUPS, "topk_group": KEPT_GROUPS, "kv_lora_rank": RANK,
        "q_lora_rank": QUERY_RANK, "qk_nope_head_dim": NOPE, "qk_rope_head_dim": ROPE, "v_head_dim": VALUE,
    }  # fmt: skip
    vision = VISION_HEADS * VISION_HEAD
    config = VL2Config(
        vision_config=VisionConfig(image_size=TILE, patch_size=PATCH, width=vision, layers=1, heads=VISION_HEADS),
        projector_config=AdaptorConfig(input_dim=vision, n_embed=width),
        language_config=LanguageConfig(**(values | changes)),  # pyright: ignore
    )
    torch.manual_seed(0)
    return VL2(config, backends).eval()


def with_images() -> Batch:
    """Return two rows of one length: the first holds two images, the second one."""
    return Batch.from_inputs([[model_input(grids)] for grids in ROWS], pad_id=0)


def model_input(grids: tuple[TileGrid, ...]) -> ModelInput:
    num_visual = sum(grid.num_visual_tokens(SHUFFLED) for grid in grids)
    ids = torch.arange(TOKENS) % VOCAB
    tiles = torch.rand(sum(grid.num_tiles for grid in grids), 3, TILE, TILE) * 2 - 1
    return ModelInput(ids, ids.clone(), torch.arange(TOKENS) < num_visual, tiles, grids)


def one_more_token() -> Batch:
    ids = torch.ones(BATCH, 1, dtype=torch.int64)
    return Batch(ids, torch.full_like(ids, TOKENS), ids, torch.zeros_like(ids, dtype=torch.bool), None)


@cache
def traced(variant: str, kernels: str) -> Report:
    """Run the model whole, then cached: prefill and one decode step."""
    changes = VARIANTS[variant]
    backends = {
        "best": Backends.best("cpu"),
        "reference": Backends(attention=reference.attention, experts=reference.routed_experts),
        "sdpa": Backends(attention=sdpa.attention),
    }[kernels]
    model = build(changes, backends)

    def run() -> None:
        with torch.inference_mode():
            cache = PagedCache.empty(
                model.config.language_config, num_blocks=BATCH, dtype=torch.float32, device="cpu",
                block_size=TOKENS + 1,
            )  # fmt: skip
            tables = [[row + 1] for row in range(BATCH)]
            whole = model(with_images())
            model(with_images(), cache.view(tables, TOKENS))
            step = model(one_more_token(), cache.view(tables, TOKENS + 1))
        assert whole.logits.shape == (BATCH, TOKENS, VOCAB)
        assert step.logits.shape == (BATCH, 1, VOCAB)

    return trace_shapes(MODULES, legend(is_mla=bool(changes.get("use_mla", True))), run)


@pytest.mark.parametrize(("variant", "kernels"), RUNS)
def test_shape_comments_hold(variant, kernels):
    report = traced(variant, kernels)
    assert sum(report.checked.values()) > 0, "no shape comment was executed"
    assert not report.mistakes, "shape comments that do not hold:\n" + "\n".join(report.mistakes)


def test_the_runs_reach_the_shape_comments_of_the_model():
    reports = [traced(variant, kernels) for variant, kernels in RUNS]
    total: Counter[Site] = sum((report.checked for report in reports), Counter())
    files = {site.file for site in total}
    assert {"vl2/model/vision.py", "vl2/model/adaptor.py", "vl2/model/attention.py", "vl2/model/moe.py"} <= files
    unreached = set.intersection(*(set(report.unreached) for report in reports))
    unreadable = set(reports[0].unreadable)
    if unreached or unreadable:
        warnings.warn("shape comments that nothing checks:\n" + "\n".join(sorted(unreached | unreadable)), stacklevel=1)
    print(f"{len(total)} shape comments held, {sum(total.values())} times")
