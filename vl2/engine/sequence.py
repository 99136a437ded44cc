"""Sequence: one request under way as the scheduler sees it: tokens, blocks and their keys, no tensors."""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass, field

from vl2.core.tiles import TileGrid
from vl2.engine.blocks import BlockKey

KEY_BYTES = 16  # 128 bits: two contents never meet by chance
ROOT: BlockKey = bytes(KEY_BYTES)


@dataclass(frozen=True)
class ImageSpan:
    """Where the visual tokens of one image stand, and the key of what they show."""

    start: int
    stop: int
    key: bytes


@dataclass(kw_only=True, eq=False)
class Sequence:
    """Tokens, how many of them the cache holds, and in which blocks."""

    number: int  # in order of arrival
    tokens: list[int]  # the prompt, then what was answered
    images: tuple[ImageSpan, ...] = ()
    num_computed: int = 0
    num_reused: int | None = None  # tokens of the prompt that were in the cache when it started first
    blocks: list[int] = field(default_factory=list)
    keys: list[BlockKey] = field(default_factory=list)  # of the full blocks
    drafts: tuple[int, ...] = ()  # a guess of what follows the tokens

    @property
    def num_left(self) -> int:
        """Return how many tokens the cache does not hold yet."""
        return len(self.tokens) - self.num_computed

    def extend_keys(self, block_size: int) -> None:
        """Name every full block of tokens. A key covers all tokens and images up to the block's end."""
        while (len(self.keys) + 1) * block_size <= len(self.tokens):
            start = len(self.keys) * block_size
            stop = start + block_size
            digest = hashlib.blake2b(self.keys[-1] if self.keys else ROOT, digest_size=KEY_BYTES)
            digest.update(array("q", self.tokens[start:stop]).tobytes())
            for image in self.images:
                if image.start < stop and image.stop > start:
                    digest.update(image.key)
            self.keys.append(digest.digest())


def image_key(tiles: bytes, grid: TileGrid) -> bytes:
    """Return what names one image as it was tiled: its normalised tiles, their grid, and how much of it is kept."""
    digest = hashlib.blake2b(array("q", (grid.rows, grid.cols)).tobytes(), digest_size=KEY_BYTES)
    digest.update(array("d", (grid.kept_share,)).tobytes())
    digest.update(tiles)
    return digest.digest()
