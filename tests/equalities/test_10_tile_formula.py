"""Equality 10: the tile formula = the placeholders of the processor = the rows of the adaptor, for any image size."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vl2.core.sample import ImagePart, Message, TextPart
from vl2.core.tiles import candidate_resolutions
from vl2.model.adaptor import layout
from vl2.processor import Processor, ProcessorSettings, Tokenizer
from vl2.processor.budget import ImageBudget, grids_within
from vl2.processor.tiling import TilingRule

FIXTURES = "tests/fixtures/processor/a_tiny_mha"
SMALL = ProcessorSettings(candidate_resolutions=candidate_resolutions(28, 9), patch_size=7)
TOKENIZER = Tokenizer.from_directory(FIXTURES)
WIDTH = 3


@settings(max_examples=80)
@given(
    st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), min_size=1, max_size=4),
    st.sampled_from([1, 4, 9, 18]),
    st.sampled_from([1.0, 0.5, 0.07]),
)
def test_formula_placeholders_and_rows_agree(sizes, max_tiles, kept_share):
    budget = ImageBudget(kept_share=kept_share)
    grids = grids_within(official(max_tiles), sizes, 14, budget)
    formula = [grid.num_visual_tokens(14) for grid in grids]
    num_tiles = sum(grid.num_tiles for grid in grids)
    embeds = torch.zeros(num_tiles, 14 * 14, WIDTH)
    rows = layout(embeds, grids, torch.zeros(WIDTH), torch.zeros(WIDTH))
    assert len(rows) == sum(formula)
    # the same sizes, scaled to a tile of 28 pixels, as real images through the processor
    processor = Processor(TOKENIZER, SMALL.rule(), SMALL)
    images = [Image.new("RGB", (max(1, w // 14), max(1, h // 14))) for w, h in sizes]
    places = tuple(part for _ in images for part in (ImagePart(), TextPart("\n")))
    ready = processor([Message("user", places), Message("assistant", ())], images, budget=budget)
    assert int(ready.image_mask.sum()) == sum(grid.num_visual_tokens(SMALL.side) for grid in ready.grids)
    assert len(ready.tiles) == sum(grid.num_tiles for grid in ready.grids)


def official(max_tiles: int) -> TilingRule:
    return TilingRule(tile_size=384, candidates=candidate_resolutions(384, max_tiles))
