"""vl2 plan: the memory of a question about images, before any weights are loaded."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vl2.cli import show
from vl2.cli.guard import Debug
from vl2.core.errors import VL2Error

if TYPE_CHECKING:
    from vl2.model import VL2Config
    from vl2.processor.tiling import TilingRule

MEGA = 1e6


def plan(
    images: Annotated[list[str] | None, typer.Argument(metavar="IMAGE", help="Files; only headers are read.")] = None,
    model: Annotated[str, typer.Option(help="pocket, tiny, small, base, a folder or a hub name.")] = "pocket",
    num_images: Annotated[int, typer.Option(min=0, help="Without files: how many images.")] = 1,
    size: Annotated[str, typer.Option(help="Without files: width and height of each in pixels.")] = "1024x768",
    text_tokens: Annotated[int, typer.Option(min=0, help="Tokens of all texts.")] = 256,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 512,
    max_tiles: Annotated[int | None, typer.Option(help="Most local tiles an image is cut into.")] = None,
    image_tokens: Annotated[int | None, typer.Option(help="Most visual tokens of all images together.")] = None,
    kept_share: Annotated[float, typer.Option(help="Prune local tiles to this share.")] = 1.0,
    max_context: Annotated[int | None, typer.Option(help="Most tokens of prompt and answer.")] = None,
    rope_scaling: Annotated[
        Literal["yarn", "linear"] | None, typer.Option(help="Stretch positions, beyond the trained context.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, float16; of a size also int8, int4.")] = "bfloat16",
    cache_dtype: Annotated[Literal["int8"] | None, typer.Option(help="Of the cache.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    debug: Debug = False,
) -> None:
    """Say what a question about images needs: tiles, tokens, memory. Fails when it does not fit; loads nothing."""
    import torch

    from vl2.engine.assistant import read_dtype
    from vl2.engine.conversation import check_number
    from vl2.engine.request import room_behind
    from vl2.engine.request_plan import check_request, plan_request
    from vl2.model import PRESETS
    from vl2.model.context import with_context
    from vl2.processor import image_size
    from vl2.processor.budget import ImageBudget, grids_within
    from vl2.weights import preflight

    is_smaller = model in PRESETS and dtype in preflight.SMALLER_FORMATS
    number = torch.bfloat16 if is_smaller else read_dtype(dtype) or torch.bfloat16
    sizes = [image_size(image) for image in images] if images else [read_size(size)] * num_images
    check_number(sizes)
    config = with_context(read_config(model), max_context, rope_scaling)
    if is_smaller:
        config = replace(config, quantization_config=preflight.SMALLER_FORMATS[dtype])
    side = config.tile_side
    budget = ImageBudget(image_tokens=image_tokens, kept_share=kept_share)
    grids = grids_within(rule_of(config, max_tiles), sizes, side, budget)
    seen = sum(grid.num_visual_tokens(side) for grid in grids)
    room = room_behind(seen + text_tokens, seen, config.language_config.max_position_embeddings)
    asked = plan_request(
        config, grids, seen + text_tokens + min(room, max_new_tokens), dtype=number,
        largest_pixels=max((width * height for width, height in sizes), default=0),
        cache_dtype=torch.int8 if cache_dtype else None,
    )  # fmt: skip
    loaded = preflight.plan_memory(config, dtype=number, context_tokens=0, num_tiles=0)
    free = preflight.available_bytes()
    need = {"weights": loaded.weights, "runtime": loaded.runtime, **asdict(asked)}
    show_need({**need, "total": loaded.total + asked.total, "free": free}, as_json=as_json)
    preflight.check_memory(loaded, free)
    check_request(asked, None if free is None else free - loaded.total)


def read_config(model: str) -> VL2Config:
    """Return the configuration of a size by its name, or of a checkpoint."""
    from vl2.model import PRESETS, VL2Config
    from vl2.weights import find_checkpoint

    return PRESETS[model] if model in PRESETS else VL2Config.from_file(find_checkpoint(model) / "config.json")


def rule_of(config: VL2Config, max_tiles: int | None) -> TilingRule:
    """Return the rule that chooses grids, as a processor of this model has it."""
    from vl2.core.tiles import candidate_resolutions
    from vl2.processor.tiling import TilingRule

    tile_size = config.vision_config.image_size
    candidates = config.candidate_resolutions if max_tiles is None else candidate_resolutions(tile_size, max_tiles)
    return TilingRule(tile_size=tile_size, candidates=candidates)


def read_size(size: str) -> tuple[int, int]:
    """Return width and height of "1024x768". Raises VL2Error."""
    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise VL2Error("size", "not a size in pixels", got=repr(size), expected="width x height, as in 1024x768")
    return int(width), int(height)


def show_need(need: dict[str, int | None], *, as_json: bool) -> None:
    """Write counts and megabytes."""
    if as_json:
        show.show_json(need)
        return
    for name, value in need.items():
        is_count = name.startswith("num_") or name.endswith("_tokens")
        shown = "unknown" if value is None else str(value) if is_count else f"{value / MEGA:,.1f} MB"
        typer.echo(f"{name:16}{shown:>16}")
