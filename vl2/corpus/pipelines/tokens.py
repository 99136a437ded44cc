"""Tokens: how long a row is for the model, words and tiles counted as training counts them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import vl2
from vl2.core.batch import IGNORE_INDEX
from vl2.core.sample import Sample
from vl2.processor import Processor, image_size
from vl2.processor.chat import ChatRules

POCKET = "pocket"
FIELDS = ("all", "visual", "learned", "tiles")


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Whose tokenizer and tiling count: `pocket`, which comes along, or the folder of a checkpoint."""

    processor: str = POCKET

    def measure(self, sample: Sample) -> dict[str, float]:
        """Return tokens, those of images, those that are learned, and tiles. Raises ConversationError, ImageError."""
        processor = _processor(self.processor)
        sizes = [image_size(image) for image in sample.images]
        rules = ChatRules(mask_prompt=True, trusted=True, keep_marks=False, allow_empty=False)
        found = processor.measure(sample.messages, sizes, rules, for_training=True)
        return {
            "all": len(found.input_ids), "visual": int(found.image_mask.sum()),
            "learned": int((found.labels != IGNORE_INDEX).sum()), "tiles": sum(grid.num_tiles for grid in found.grids),
        }  # fmt: skip


@lru_cache(maxsize=2)
def _processor(name: str) -> Processor:
    return Processor.from_directory(Path(vl2.__path__[0]) / "pocket" if name == POCKET else name)
