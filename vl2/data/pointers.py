"""Pointers: where in its picture each token of an answer stands, so that training can show the model where to look."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
COUNTED = re.compile(r"\b(?:how many|has more) ([a-z]+)")
EVERY_FIGURE = "figures"
Corners = tuple[float, float, float, float]  # left, top, right, bottom in pixels


@dataclass(frozen=True)
class Place:
    """Where the token said at one position should be looked for."""

    position: int  # the one before the token, which says it
    targets: Tensor  # [T] bool
    even: bool = False  # equally at each target, so that the share of one tells how many there are

    def after(self, num_tokens: int) -> Place:
        """Return the place when so many tokens of other documents stand before it in its row."""
        targets = torch.cat((torch.zeros(num_tokens, dtype=torch.bool), self.targets))
        return replace(self, position=num_tokens + self.position, targets=targets)


@dataclass(frozen=True)
class Pointers:
    """Where M tokens of a microbatch should be looked for; S is the length of the longest row."""

    rows: Tensor  # [M]
    positions: Tensor  # [M]
    targets: Tensor  # [M, S] bool
    even: Tensor  # [M] bool

    @classmethod
    def collate(cls, rows: Sequence[Sequence[Place]]) -> Pointers | None:
        """Join the places of each row; None when there are none."""
        flat = [(row, place) for row, places in enumerate(rows) for place in places]
        if not flat:
            return None
        targets = torch.zeros(len(flat), max(len(place.targets) for _, place in flat), dtype=torch.bool)
        for target, (_, place) in zip(targets, flat, strict=True):
            target[: len(place.targets)] = place.targets
        return cls(
            torch.tensor([row for row, _ in flat]),
            torch.tensor([place.position for _, place in flat]),
            targets,
            torch.tensor([place.even for _, place in flat]),
        )


class Pointer:
    """Find the places of one sample; samples whose answers cannot be placed for certain have none."""

    def __init__(self, tokenizer: Tokenizer, tile_size: int, side: int) -> None:
        self.tile_size, self.side = tile_size, side
        self.read = cache(lambda token_id: tokenizer.decode([token_id]))

    def __call__(self, sample: Sample, model_input: ModelInput) -> list[Place]:
        """Return the places of a sample with pictures of one tile each and the answers alone supervised."""
        if not model_input.grids or any(grid.num_tiles > 1 for grid in model_input.grids):
            return []
        said = [(asked, answer) for asked, answer in pairwise(sample.messages) if answer.role == "assistant"]
        spans = supervised_spans(model_input.labels)
        if len(spans) != len(said):
            return []
        pictures = _Pictures(sample, model_input, self.tile_size, self.side)
        found: list[Place] = []
        for (start, end), (asked, answer) in zip(spans, said, strict=True):
            pieces = [self.read(int(token_id)) for token_id in model_input.input_ids[start:end]]
            question = text_of(asked).lower()
            places = (
                _boxes(pictures, answer, pieces)
                or _letters(pictures, answer, pieces)
                or _counted(pictures, question)
                or _named(pictures, f"{question} {text_of(answer).lower()}", pieces)
            )
            found += [replace(place, position=start + place.position - 1) for place in places]
        return found


class _Pictures:
    """The pictures of one sample and the visual tokens that show them."""

    def __init__(self, sample: Sample, model_input: ModelInput, tile_size: int, side: int) -> None:
        self.sample, self.tile_size, self.side = sample, tile_size, side
        self.shown = model_input.image_mask.nonzero().view(len(model_input.grids), -1)  # [images, V]
        self.length = len(model_input.input_ids)

    def tokens(self, boxes: Sequence[tuple[int, Corners]]) -> Tensor:
        """Mark the visual tokens [T] of boxes (the picture's number, corners)."""
        marked = torch.zeros(self.length, dtype=torch.bool)
        for number, box in boxes:
            marked[self.shown[number, self._cells(number, box)]] = True
        return marked

    def size(self, number: int) -> tuple[int, int]:
        """Return width and height of a picture in pixels."""
        image = self.sample.images[number]
        return image.width or 1, image.height or 1

    def _cells(self, number: int, box: Corners) -> Tensor:
        size = self.size(number)
        box = fit(*size, self.tile_size, self.tile_size).map_box(box, *size)
        rows, cols = covered(box, self.tile_size / self.side, self.side, self.side)
        return visual_tokens(self.side, rows.start, rows.stop, cols.start, cols.stop)


def _boxes(pictures: _Pictures, message: Message, pieces: list[str]) -> list[Place]:
    """Point every coordinate at the box that it belongs to, and the first token at all of them."""
    boxes = [box for part in message.parts if isinstance(part, BoxesPart) for box in part.boxes]
    numbers = [number for number, piece in enumerate(pieces) if piece.isdigit()]
    if not boxes or len(numbers) != 4 * len(boxes) or len(pictures.sample.images) > 1:
        return []
    width, height = pictures.size(0)
    corners = [
        (0, (left * width, top * height, right * width, bottom * height))
        for left, top, right, bottom in (box.unit() for box in boxes)
    ]
    targets = [pictures.tokens([box]) for box in corners]
    return [Place(0, pictures.tokens(corners)), *(Place(n, targets[k // 4]) for k, n in enumerate(numbers))]


def _letters(pictures: _Pictures, message: Message, pieces: list[str]) -> list[Place]:
    """Point every letter at its place, when the answer stands in the pictures exactly once."""
    glyphs = [item for item in pictures.sample.objects if item.kind == "glyph"]
    answer = "".join(text_of(message).split())
    written = "".join(item.label[0] for item in glyphs)
    at = written.find(answer)
    if not answer or at < 0 or written.find(answer, at + 1) >= 0:
        return []
    found: list[Place] = []
    for number, piece in enumerate(pieces):
        length = len("".join(piece.split()))
        if length and answer.startswith("".join(piece.split())):
            boxes = [(item.image, item.box) for item in glyphs[at : at + length]]
            found.append(Place(number, pictures.tokens(boxes)))
            at, answer = at + length, answer[length:]
    return [] if answer else found


def _counted(pictures: _Pictures, question: str) -> list[Place]:
    """Point the first token evenly at the middle of each figure that is counted, and at the first token of all.

    A figure counts once whatever its size, and the share of the first token falls as there are more.
    """
    counted = COUNTED.search(question)
    if counted is None:
        return []
    figures = [item for item in pictures.sample.objects if item.kind != "glyph"]
    boxes = [(item.image, _middle(item.box)) for item in figures if _is_called(item.label, counted[1])]
    targets = pictures.tokens(boxes)
    targets[0] = True
    return [Place(0, targets, even=True)]


def _is_called(label: str, plural: str) -> bool:
    return plural == EVERY_FIGURE or plural in (f"{label.split()[-1]}s", f"{label.split()[-1]}es")


def _middle(box: Corners) -> Corners:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return x, y, x, y


def _named(pictures: _Pictures, said: str, pieces: list[str]) -> list[Place]:
    """Point an answer at the figures whose whole names stand in the question and the answer together."""
    words = set(WORD.findall(said))
    figures = [
        item for item in pictures.sample.objects if item.kind != "glyph" and words.issuperset(item.label.split())
    ]
    if not figures:
        return []
    targets = pictures.tokens([(item.image, item.box) for item in figures])
    return [Place(number, targets) for number in range(len(pieces) - 1)]  # all but the end


@lru_cache(maxsize=8192)
def visual_tokens(side: int, top: int, bottom: int, left: int, right: int) -> Tensor:
    """Return the numbers of the visual tokens that show rows top to bottom and columns left to right of one tile.

    A single tile is laid out twice, a separator between, with a newline token after each row.
    """
    cells = (torch.arange(top, bottom)[:, None] * (side + 1) + torch.arange(left, right)).flatten()
    return torch.cat((cells, cells + side * (side + 1) + 1))


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
