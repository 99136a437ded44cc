"""Processor: conversations with images to ModelInput, the only place where pixels and token ids meet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from vl2.core.batch import ModelInput
from vl2.core.sample import Message, Sample
from vl2.core.tiles import TileGrid
from vl2.processor.budget import WHOLE, ImageBudget, ImageSize, grids_within
from vl2.processor.chat import ChatRules, TokenRow, check_images, count_images, encode_chat, encode_prompt
from vl2.processor.images import DEFAULT_LIMITS, ImageInput, ImageLimits, image_size, open_image
from vl2.processor.marks import IMAGE
from vl2.processor.settings import ProcessorSettings
from vl2.processor.stream_decoder import StreamDecoder
from vl2.processor.tiles import no_tiles, to_tiles
from vl2.processor.tiling import TilingRule
from vl2.processor.tokenizer import Tokenizer


class Processor:
    """Turn conversations into model inputs and ids back into text."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        rule: TilingRule,
        settings: ProcessorSettings,
        *,
        limits: ImageLimits = DEFAULT_LIMITS,
        exif: bool = True,
    ) -> None:
        self.tokenizer = tokenizer
        self.rule = rule
        self.settings = settings
        self.limits = limits
        self.exif = exif

    @classmethod
    def from_directory(
        cls, directory: str | Path, *, limits: ImageLimits = DEFAULT_LIMITS, exif: bool = True
    ) -> Processor:
        """Load the tokenizer files and processor_config.json of a checkpoint; config.json must agree or fill in.

        Raises ConfigError on unknown or contradicting settings, VL2Error on a broken tokenizer.
        """
        settings = ProcessorSettings.from_directory(directory)
        return cls(Tokenizer.from_directory(directory), settings.rule(), settings, limits=limits, exif=exif)

    def save(self, directory: str | Path) -> None:
        """Write processor_config.json and the tokenizer files."""
        self.tokenizer.save(directory)
        self.settings.save(directory)

    @property
    def bos_id(self) -> int:
        """Return the id that starts every sample."""
        return self.tokenizer.bos_id

    @property
    def eos_id(self) -> int:
        """Return the id that ends an answer."""
        return self.tokenizer.eos_id

    @property
    def pad_id(self) -> int:
        """Return the id of padding."""
        return self.tokenizer.pad_id

    @property
    def image_id(self) -> int:
        """Return the id at every place of a visual token."""
        return self.tokenizer.image_id

    def __call__(
        self,
        conversation: Sample | Sequence[Message],
        images: Sequence[ImageInput] | None = None,
        *,
        budget: ImageBudget = WHOLE,
        for_training: bool = False,
        mask_prompt: bool | None = None,
        trusted: bool = True,
        keep_marks: bool = False,
        allow_empty: bool = False,
    ) -> ModelInput:
        """Return the model input of a conversation; the images of a Sample are its own unless given.

        `budget` bounds what the images cost. `for_training` keeps the last eos. `mask_prompt` (default: the settings)
        takes the loss on answers only.
        `trusted` and `keep_marks` say what special strings in the texts do, see ChatRules.
        Raises ConversationError, ImageError, and ConfigError when no grid is within the budget.
        """
        if isinstance(conversation, Sample):
            messages, images = conversation.messages, conversation.images if images is None else images
        else:
            messages = conversation
        rules = ChatRules(
            mask_prompt=self.settings.mask_prompt if mask_prompt is None else mask_prompt,
            trusted=trusted,
            keep_marks=keep_marks,
            allow_empty=allow_empty,
        )
        images = images or ()
        check_images(count_images(messages, rules), len(images))  # before any image is opened
        measured = self.measure(messages, self._sizes(images), rules, budget=budget, for_training=for_training)
        return replace(measured, tiles=self.cut(images, measured.grids))

    def measure(
        self,
        messages: Sequence[Message],
        sizes: Sequence[ImageSize],
        rules: ChatRules,
        *,
        budget: ImageBudget = WHOLE,
        for_training: bool = False,
    ) -> ModelInput:
        """Return the model input of a conversation without its tiles, from the sizes of its images alone."""
        grids = self._grids(sizes, budget)
        row = encode_chat(messages, self._lengths(grids), self.tokenizer, rules, for_training=for_training)
        return self._to_input(row, grids)

    def cut(self, images: Sequence[ImageInput], grids: Sequence[TileGrid]) -> Tensor:
        """Return all tiles [N, 3, S, S] of images on their grids; one image is open at a time. Raises ImageError."""
        tiles = [no_tiles(self.rule.tile_size)]
        for source, grid in zip(images, grids, strict=True):
            image = open_image(source, limits=self.limits, exif=self.exif)
            tiles.append(to_tiles(image, self.rule, grid, self.settings.normalization()))
        return torch.cat(tiles)

    def from_prompt(
        self, prompt: str, images: Sequence[ImageInput] = (), *, budget: ImageBudget = WHOLE
    ) -> ModelInput:
        """Return the model input of a text in the chat format, with `<image>` at its images; bos is added.

        Special strings in the prompt act. Raises ConversationError, ImageError, ConfigError.
        """
        check_images(prompt.count(IMAGE), len(images))
        grids = self._grids(self._sizes(images), budget)
        measured = self._to_input(encode_prompt(prompt, self._lengths(grids), self.tokenizer), grids)
        return replace(measured, tiles=self.cut(images, grids))

    def with_max_tiles(self, max_tiles: int) -> Processor:
        """Return a processor of all grids of at most `max_tiles` tiles; 18 for InfoVQA (paper, section 5.1)."""
        settings = self.settings.with_max_tiles(max_tiles)
        return Processor(self.tokenizer, settings.rule(), settings, limits=self.limits, exif=self.exif)

    def num_visual_tokens(self, width: int, height: int, *, num_images: int = 1) -> int:
        """Return the visual tokens of a width x height image in a conversation of `num_images` images."""
        return self.rule.grid_for(width, height, num_images).num_visual_tokens(self.settings.side)

    def decode(self, ids: Iterable[int] | Tensor, *, skip_special: bool = False) -> str:
        """Return the text of ids."""
        return self.tokenizer.decode(ids.tolist() if isinstance(ids, Tensor) else ids, skip_special=skip_special)

    def stream_decoder(self, *, skip_special: bool = False) -> StreamDecoder:
        """Return a decoder for one answer that takes ids one by one."""
        return StreamDecoder(self.tokenizer, skip_special=skip_special)

    def _sizes(self, images: Sequence[ImageInput]) -> list[ImageSize]:
        return [image_size(image, limits=self.limits, exif=self.exif) for image in images]

    def _grids(self, sizes: Sequence[ImageSize], budget: ImageBudget) -> tuple[TileGrid, ...]:
        return grids_within(self.rule, sizes, self.settings.side, budget)

    def _lengths(self, grids: Sequence[TileGrid]) -> list[int]:
        return [grid.num_visual_tokens(self.settings.side) for grid in grids]

    def _to_input(self, row: TokenRow, grids: tuple[TileGrid, ...]) -> ModelInput:
        return ModelInput(
            input_ids=torch.tensor(row.input_ids),
            labels=torch.tensor(row.labels),
            image_mask=torch.tensor(row.image_mask),
            tiles=no_tiles(self.rule.tile_size),
            grids=grids,
        )
