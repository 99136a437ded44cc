"""The stages as data (paper, section 4.1): what each one trains and which tokens it learns from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One row: the modules that move, and what is supervised."""

    trains: tuple[str, ...]  # prefixes of parameter names
    supervises: Literal["slots", "text", "answers"]
    sees_images: bool = True


ALL = ("vision", "adaptor", "tile_newline", "view_separator", "language")

STAGES: dict[str, Stage] = {
    # Pocket starts from nothing, where the paper starts from SigLIP and a trained language model:
    "warmup_vision": Stage(trains=("vision", "adaptor"), supervises="slots"),
    "warmup_language": Stage(trains=("language",), supervises="text", sees_images=False),
    # The paper's three stages:
    "align": Stage(trains=("vision", "adaptor", "tile_newline", "view_separator"), supervises="text"),
    "pretrain": Stage(trains=ALL, supervises="text"),
    "sft": Stage(trains=ALL, supervises="answers"),
}
