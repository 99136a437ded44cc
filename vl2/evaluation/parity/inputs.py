"""The input stages: tokens, labels, masks, tiles and pixels, alone and collated."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

from vl2.core.batch import IGNORE_INDEX, ModelInput
from vl2.core.sample import ImageSource
from vl2.core.tiles import TileGrid
from vl2.evaluation.parity.compare import Comparison
from vl2.evaluation.parity.recording import Case, Recording
from vl2.processor import Processor, messages_from_text
from vl2.processor.official import display_form

HASHED_WITH_PILLOW = "13."  # other versions may round a resized pixel differently
PIXEL_STEP = 2 / 255 + 1e-6  # one grey level after normalisation
SAMPLED_ROWS, SAMPLED_COLS = slice(5, None, 29), slice(7, None, 29)

Turn = dict[str, Any]


def read_rows(case: Case, recording: Recording, processor: Processor, *, mask_prompt: bool = False) -> list[ModelInput]:
    """Return the model input of each row of a case, from its recorded conversations or prompt."""
    prompt = case.values.take("prompt")
    if prompt is not None:
        names = case.values.take("prompt_images") or []
        return [processor.from_prompt(prompt, [_source(recording, name) for name in names])]
    for_training = case.values.take("inference_mode") is False
    return [
        processor(
            messages_from_text(turns),
            [_source(recording, name) for turn in turns for name in turn.get("images") or ()],
            for_training=for_training,
            mask_prompt=mask_prompt,
            allow_empty=True,
        )
        for turns in _conversations(case)
    ]


def compare_inputs(
    case: Case, rows: list[ModelInput], recording: Recording, processor: Processor, out: Comparison
) -> None:
    """Compare everything that the processor makes."""
    _compare_display(case, processor, out)
    singles = case.values.take("single")
    if singles is None:
        _compare_row(case, rows[0], processor, out)
        masked = case.values.take("target_ids_mask_prompt_true")
        if masked is not None:
            ours = read_rows(case, recording, processor, mask_prompt=True)[0].labels
            out.exact("labels, prompt masked", ours, masked)
    else:
        for row, single in zip(rows, singles, strict=True):
            out.exact("input ids", row.input_ids, single["input_ids"])
            out.exact("image spans", spans(row.image_mask), single["images_seq_mask"])
            out.exact("crops", _crops(row.grids), single["images_spatial_crop"])
        _compare_collated(case, rows, processor, out)
    out.exact("length", max(len(row.input_ids) for row in rows), case.values.take("seq_len"))
    _compare_pixels(case, rows, out)


def reference_tiles(grids: tuple[TileGrid, ...]) -> list[int]:
    """Return our tile behind each tile of the reference, which encodes the tile of a 1x1 grid twice."""
    order: list[int] = []
    first = 0
    for grid in grids:
        order += [first, first] if grid.num_tiles == 1 else range(first, first + grid.num_tiles)
        first += grid.num_tiles
    return order


def spans(mask: Tensor) -> list[list[int]]:
    """Return [start, length] of each run of True in a mask [T]."""
    edges = torch.diff(mask.long(), prepend=torch.zeros(1).long(), append=torch.zeros(1).long())
    starts, ends = (edges == 1).nonzero()[:, 0].tolist(), (edges == -1).nonzero()[:, 0].tolist()
    return [[start, end - start] for start, end in zip(starts, ends, strict=True)]


def _compare_display(case: Case, processor: Processor, out: Comparison) -> None:
    theirs, prompt = case.values.take("sft_format"), case.values.take("prompt")
    if theirs is None:
        return
    shown = [display_form(turns, processor.tokenizer.eos_text) for turns in _conversations(case)] or [prompt]
    out.exact("display form", shown, theirs)


def _compare_row(case: Case, row: ModelInput, processor: Processor, out: Comparison) -> None:
    side, size = processor.settings.side, processor.settings.tile_size
    stages = {
        "input_ids": ("input ids", row.input_ids),
        "target_ids": ("labels", row.labels),
        "images_seq_mask": ("image spans", spans(row.image_mask)),
        "images_spatial_crop": ("crops", _crops(row.grids)),
        "num_image_tokens": ("visual tokens", [grid.num_visual_tokens(side) for grid in row.grids]),
        "images_shape": ("tiles", [_num_reference_tiles(row), 3, size, size]),
        "label_count": ("labels counted", int((row.labels[1:] != IGNORE_INDEX).sum())),
    }
    for name, (stage, ours) in stages.items():
        theirs = case.values.take(name)
        if theirs is not None:
            out.exact(stage, ours, theirs)


def _compare_collated(case: Case, rows: list[ModelInput], processor: Processor, out: Comparison) -> None:
    """Collate as the reference does, which pads on the left, and compare."""
    pad, size = processor.pad_id, processor.settings.tile_size
    labels = _pad_left([row.labels for row in rows], pad)
    crops = [_crops(row.grids) for row in rows]
    most_images = max(map(len, crops))
    stages = {
        "input_ids": _pad_left([row.input_ids for row in rows], pad),
        "labels": labels.masked_fill(labels == pad, IGNORE_INDEX),
        "attention_mask": _pad_left([torch.ones_like(row.input_ids) for row in rows], 0),
        "images_seq_mask": [spans(mask) for mask in _pad_left([row.image_mask for row in rows], 0)],
        "images_spatial_crop": [row + [[0, 0]] * (most_images - len(row)) for row in crops],
        "images_shape": [len(rows), max(map(_num_reference_tiles, rows)), 3, size, size],
        "seq_lens": [len(row.input_ids) for row in rows],
    }
    for name, ours in stages.items():
        theirs = case.values.take("batch", name)
        if theirs is not None:
            out.exact("collated " + name.replace("_", " "), ours, theirs)


def _compare_pixels(case: Case, rows: list[ModelInput], out: Comparison) -> None:
    """Compare tiles by hash, and by their strided samples where another Pillow may round differently."""
    size = rows[0].tiles.shape[-1]
    blank = torch.zeros(1, 3, size, size)  # the reference carries one for a row without images
    tiles = torch.cat([row.tiles[reference_tiles(row.grids)] if row.grids else blank for row in rows])
    if case.pixels is not None and version("pillow").startswith(HASHED_WITH_PILLOW):
        ours = [hashlib.sha256(tile.contiguous().numpy().astype("<f4").tobytes()).hexdigest() for tile in tiles]
        out.exact("pixels, hashed", ours, [tile["sha256"] for tile in case.pixels])
    if case.pixel_samples is not None:
        out.close("pixels, sampled", tiles[:, :, SAMPLED_ROWS, SAMPLED_COLS], case.pixel_samples, PIXEL_STEP)


def _conversations(case: Case) -> list[list[Turn]]:
    """Return the conversations of the rows, none for a case that is a prompt."""
    recorded = case.values.take("conversations") or []
    return recorded if not recorded or isinstance(recorded[0], list) else [recorded]


def _source(recording: Recording, name: str) -> ImageSource:
    return ImageSource(path=str(recording.image(name)))


def _crops(grids: tuple[TileGrid, ...]) -> list[list[int]]:
    return [[grid.cols, grid.rows] for grid in grids] or [[0, 0]]


def _num_reference_tiles(row: ModelInput) -> int:
    return max(1, len(reference_tiles(row.grids)))


def _pad_left(rows: list[Tensor], fill: int) -> Tensor:
    length = max(map(len, rows))
    return torch.stack([torch.nn.functional.pad(row, (length - len(row), 0), value=fill) for row in rows])
