"""VL2: vision tower, adaptor and language model as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vl2.core.batch import Batch, CacheView
from vl2.core.errors import ConversationError
from vl2.core.tiles import TileGrid
from vl2.kernels import Backends
from vl2.model.adaptor import Adaptor, layout
from vl2.model.config import VL2Config
from vl2.model.language import LanguageModel
from vl2.model.moe import Routing
from vl2.model.vision import VisionTower


@dataclass(frozen=True)
class Output:
    """What one forward pass returns."""

    logits: Tensor  # [B, T, V] float32
    routing: dict[int, Routing]  # by MoE layer


class VL2(nn.Module):
    """The model of the paper's section 2."""

    def __init__(self, config: VL2Config, backends: Backends | None = None) -> None:
        super().__init__()
        self.config = config
        self.backends = backends or Backends.best()
        width = config.language_config.hidden_size
        self.vision = VisionTower(config.vision_config)
        self.adaptor = Adaptor(config.projector_config)
        self.tile_newline = nn.Parameter(torch.randn(width) * width**-0.5)
        self.view_separator = nn.Parameter(torch.randn(width) * width**-0.5)
        self.language = LanguageModel(config.language_config)

    def forward(self, batch: Batch, cache: CacheView | None = None) -> Output:
        """Return logits at every position of the batch."""
        hidden = self.language(self.embed(batch), batch.positions, batch.documents, cache, self.backends)
        return Output(self.logits(hidden.states), hidden.routing)

    def embed(self, batch: Batch) -> Tensor:
        """Return token embeddings [B, T, D] with visual tokens in their places."""
        embeds = self.language.embedding(batch.input_ids)  # [B, T, D]
        visual = batch.visual_embeds
        if visual is None and batch.tiles is not None:
            visual = self.encode_tiles(batch.tiles, batch.grids)
        num_places = int(batch.image_mask.sum())
        num_found = 0 if visual is None else len(visual)
        if num_places != num_found:
            raise ConversationError(
                "images", "visual tokens do not fill their places", got=num_found, expected=num_places
            )
        if visual is None:
            return embeds
        return embeds.masked_scatter(batch.image_mask[..., None], visual.to(embeds.dtype))  # [B, T, D]

    def encode_tiles(self, tiles: Tensor, grids: Sequence[TileGrid]) -> Tensor:
        """Return visual tokens [sum of num_visual_tokens, D] for tiles [N, 3, S, S]."""
        return layout(self.embed_tiles(tiles), grids, self.tile_newline, self.view_separator)

    def embed_tiles(self, tiles: Tensor) -> Tensor:
        """Return the embeddings [N, Q*Q, D] of tiles [N, 3, S, S], not laid out yet."""
        return self.adaptor(self.vision(tiles, self.backends))

    def logits(self, states: Tensor) -> Tensor:
        """Return float32 logits [.., V] for hidden states [.., D]."""
        return self.language.head(states).float()
