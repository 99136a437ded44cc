"""Where PyTorch is the faster one, the vision tower stays its own, with all threads."""

from __future__ import annotations

import pytest
import torch

from vl2.kernels.native.library import library
from vl2.model import PRESETS, VL2
from vl2.model.config import VisionConfig
from vl2.model.vision import VisionTower
from vl2.weights import pack_vision

pytestmark = pytest.mark.skipif(library() is None, reason="no C++ compiler")
WIDE = VisionConfig(image_size=28, patch_size=14, width=512, layers=1, heads=4, mlp_ratio=1.0)
FLAGS = "flags : avx512f amx_bf16 amx_tile"


def tower(config: VisionConfig = WIDE, dtype: torch.dtype = torch.bfloat16) -> VisionTower:
    return VisionTower(config).to(dtype).eval()


@pytest.mark.parametrize(
    ("vision", "flags", "suits"),
    [
        (tower(), FLAGS, True),
        (tower(), "flags : avx512f avx512_bf16", False),
        (tower(dtype=torch.float32), FLAGS, False),
        (tower(PRESETS["pocket"].vision_config), FLAGS, False),
    ],
    ids=["wide", "no tiles", "float32", "narrow"],
)
def test_only_wide_towers_in_bfloat16_suit(
    vision: VisionTower, flags: str, suits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_vision, "instructions", lambda: flags)
    assert pack_vision.suits_tile_products(vision) is suits


def test_it_computes_the_same_with_the_threads_of_the_kernels() -> None:
    vision, backends = tower(), VL2(PRESETS["pocket"]).backends
    tiles = torch.rand(2, 3, 28, 28).bfloat16()
    before = torch.get_num_threads()
    with torch.inference_mode():
        alone = torch.cat([vision(tile[None], backends) for tile in tiles])
        assert torch.equal(pack_vision.TileVision(vision)(tiles, backends), alone)
    assert torch.get_num_threads() == before
