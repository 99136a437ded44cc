"""Pointers: where in its picture each token of an answer stands, so that training can show the model where to look."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise

import torch
from torch import Tensor

from vl2.core.batch import IGNORE_INDEX, ModelInput
from vl2.core.sample import BoxesPart, Message, Sample, TextPart
from vl2.data.slots import covered
from vl2.processor.tiling import fit
from vl2.processor.tokenizer import Tokenizer

WORD = re.compile(r"[a-z]+")
Places = list[tuple[int, Tensor]]  # the position that says a token, and the visual tokens [V] that show it


@dataclass(frozen=True)
class Pointers:
    """Where M tokens of a microbatch should be looked for."""

    rows: Tensor  # [M]
    positions: Tensor  # [M]: the position before the token, which says it
    targets: Tensor  # [M, V] bool over the visual tokens of a picture of one tile
    firsts: Tensor  # [M]: the position of that picture's first visual token

    @classmethod
    def collate(cls, rows: Sequence[Places], inputs: Sequence[ModelInput]) -> Pointers | None:
        """Join the places of each row; None when there are none."""
        flat = [
            (row, position, target, int(inputs[row].image_mask.nonzero()[0]))
            for row, places in enumerate(rows)
            for position, target in places
        ]
        if not flat:
            return None
        numbers, positions, targets, firsts = zip(*flat, strict=True)
        return cls(torch.tensor(numbers), torch.tensor(positions), torch.stack(targets), torch.tensor(firsts))


class Pointer:
    """Find the places of one sample; samples whose answers cannot be placed for certain have none."""

    def __init__(self, tokenizer: Tokenizer, tile_size: int, side: int) -> None:
        self.tile_size, self.side = tile_size, side
        self.read = cache(lambda token_id: tokenizer.decode([token_id]))

    def __call__(self, sample: Sample, model_input: ModelInput) -> Places:
        """Return the places of a sample with one picture of one tile and the answers alone supervised."""
        if [grid.num_tiles for grid in model_input.grids] != [1]:
            return []
        said = [(asked, answer) for asked, answer in pairwise(sample.messages) if answer.role == "assistant"]
        spans = supervised_spans(model_input.labels)
        if len(spans) != len(said):
            return []
        tokens = [[self.read(int(token_id)) for token_id in model_input.input_ids[a:b]] for a, b in spans]
        found: Places = []
        for (start, _), (asked, answer), pieces in zip(spans, said, tokens, strict=True):
            places = (
                self._boxes(sample, answer, pieces)
                or self._letters(sample, answer, pieces)
                or self._named(sample, f"{text_of(asked)} {text_of(answer)}", pieces)
            )
            found += [(start + number - 1, target) for number, target in places]
        return found

    def _boxes(self, sample: Sample, message: Message, pieces: list[str]) -> Places:
        """Point every coordinate at the box that it belongs to, and the first token at all of them."""
        boxes = [box for part in message.parts if isinstance(part, BoxesPart) for box in part.boxes]
        numbers = [number for number, piece in enumerate(pieces) if piece.isdigit()]
        if not boxes or len(numbers) != 4 * len(boxes):
            return []
        image = sample.images[0]
        width, height = image.width or 1, image.height or 1
        corners = [
            (left * width, top * height, right * width, bottom * height)
            for left, top, right, bottom in (box.unit() for box in boxes)
        ]
        targets = [self._target(sample, [box]) for box in corners]
        return [(0, self._target(sample, corners)), *((n, targets[k // 4]) for k, n in enumerate(numbers))]

    def _letters(self, sample: Sample, message: Message, pieces: list[str]) -> Places:
        """Point every letter at its place, when the answer stands in the picture exactly once."""
        glyphs = [item for item in sample.objects if item.kind == "glyph"]
        answer = "".join(text_of(message).split())
        written = "".join(item.label[0] for item in glyphs)
        at = written.find(answer)
        if not answer or at < 0 or written.find(answer, at + 1) >= 0:
            return []
        found: Places = []
        for number, piece in enumerate(pieces):
            length = len("".join(piece.split()))
            boxes = [item.box for item in glyphs[at : at + length]]
            if length and answer.startswith("".join(piece.split())):
                found.append((number, self._target(sample, boxes)))
                at, answer = at + length, answer[length:]
        return [] if answer else found

    def _named(self, sample: Sample, said: str, pieces: list[str]) -> Places:
        """Point an answer at the figures whose whole names stand in the question and the answer together."""
        words = set(WORD.findall(said.lower()))
        figures = [item for item in sample.objects if item.kind != "glyph" and words.issuperset(item.label.split())]
        if not figures:
            return []
        target = self._target(sample, [item.box for item in figures])
        return [(number, target) for number in range(len(pieces) - 1)]  # all but the end

    def _target(self, sample: Sample, boxes: Sequence[tuple[float, float, float, float]]) -> Tensor:
        """Mark the visual tokens of boxes in pixels [V]."""
        image = sample.images[0]
        size = (image.width or 1, image.height or 1)
        placed = fit(*size, self.tile_size, self.tile_size)
        cells = [covered(placed.map_box(box, *size), self.tile_size / self.side, self.side, self.side) for box in boxes]
        return visual_tokens(self.side, tuple((rows.start, rows.stop, cols.start, cols.stop) for rows, cols in cells))


@lru_cache(maxsize=8192)
def visual_tokens(side: int, cells: tuple[tuple[int, int, int, int], ...]) -> Tensor:
    """Return [V]: True at the visual tokens of rectangles of cells (first and last row, first and last column).

    A single tile is laid out twice, a separator between, with a newline token after each row.
    """
    shown = torch.zeros(side, side + 1, dtype=torch.bool)
    for top, bottom, left, right in cells:
        shown[top:bottom, left:right] = True
    return torch.cat((shown.flatten(), torch.zeros(1, dtype=torch.bool), shown.flatten()))


def text_of(message: Message) -> str:
    """Return the plain text of a message."""
    return "".join(part.text for part in message.parts if isinstance(part, TextPart))


def supervised_spans(labels: Tensor) -> list[tuple[int, int]]:
    """Return start and end of each run of supervised positions in labels [T], without the first token of all."""
    return [(start, end) for start, end in _runs((labels != IGNORE_INDEX).tolist()) if start]


def _runs(flags: list[bool]) -> Iterator[tuple[int, int]]:
    start = None
    for number, flag in enumerate([*flags, False]):
        if flag and start is None:
            start = number
        elif not flag and start is not None:
            yield start, number
            start = None
