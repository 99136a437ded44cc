"""Units: what a pipeline may be cut between. A stage is a run of them, and a model without all others."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from torch import nn

from vl2.model import VL2, VL2Config


@dataclass(frozen=True, kw_only=True)
class Part:
    """A run of units, in the order of computation: vision blocks, adaptor, embedding, language layers, head."""

    config: VL2Config
    start: int
    end: int

    @property
    def blocks(self) -> range:
        """Return the vision blocks; the first brings the patch embedding, the last the norm behind it."""
        return self._within(0, self.config.vision_config.layers)

    @property
    def layers(self) -> range:
        """Return the language layers."""
        return self._within(self._embedding + 1, self.config.language_config.num_hidden_layers)

    @property
    def has_patches(self) -> bool:
        """Tell whether tiles become patches here."""
        return self.start == 0

    @property
    def has_vision_norm(self) -> bool:
        """Tell whether the vision tower ends here."""
        return self._has(self.config.vision_config.layers - 1)

    @property
    def has_adaptor(self) -> bool:
        """Tell whether features become visual embeddings here."""
        return self._has(self.config.vision_config.layers)

    @property
    def has_embedding(self) -> bool:
        """Tell whether tokens and visual embeddings meet here."""
        return self._has(self._embedding)

    @property
    def has_head(self) -> bool:
        """Tell whether the loss is computed here."""
        return self._has(self._embedding + self.config.language_config.num_hidden_layers + 1)

    @property
    def _embedding(self) -> int:
        return self.config.vision_config.layers + 1

    def _has(self, unit: int) -> bool:
        return self.start <= unit < self.end

    def _within(self, first: int, count: int) -> range:
        return range(min(max(self.start - first, 0), count), min(max(self.end - first, 0), count))


def num_units(config: VL2Config) -> int:
    """Return how many units a model has."""
    return config.vision_config.layers + config.language_config.num_hidden_layers + 3


def take(model: VL2, part: Part) -> VL2:
    """Return the model without what `part` lacks. Parameters keep their names and are shared, not copied."""
    shared = {id(parameter): parameter for parameter in model.parameters()}
    taken = copy.deepcopy(model, shared)
    _leave(taken.vision.blocks, part.blocks)
    _leave(taken.language.layers, part.layers)
    _drop(taken.vision, part.has_patches, "patch_embed", "pos_embed")
    _drop(taken.vision, part.has_vision_norm, "norm", "attention_pool")
    _drop(taken, part.has_adaptor, "adaptor", "tile_newline", "view_separator")
    _drop(taken.language, part.has_embedding, "embedding")
    _drop(taken.language, part.has_head, "norm", "head")
    return taken


def _leave(modules: nn.ModuleList, kept: range) -> None:
    for number in range(len(modules)):
        if number not in kept:
            modules[number] = nn.Identity()  # keeps the numbers of the others


def _drop(module: nn.Module, is_kept: bool, *names: str) -> None:
    for name in names if not is_kept else ():
        setattr(module, name, None)
