"""Request: one prompt and how to answer it."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from vl2.core.batch import ModelInput
from vl2.core.errors import ConversationError
from vl2.engine.sampler import Constraint, SamplingSettings
from vl2.model.config import VL2Config


@dataclass(frozen=True, kw_only=True)
class Request:
    """A prompt that ends where the answer begins."""

    prompt: ModelInput
    settings: SamplingSettings = field(default_factory=SamplingSettings)
    visual_embeds: Tensor | None = None  # [visual tokens, D] when the images were encoded before
    constraint: Constraint | None = None  # of this answer alone

    @property
    def num_prompt_tokens(self) -> int:
        """Return the tokens of the prompt, visual tokens included."""
        return len(self.prompt.input_ids)

    @property
    def num_image_tokens(self) -> int:
        """Return the visual tokens of the prompt."""
        return int(self.prompt.image_mask.sum())


def check_shape(request: Request, config: VL2Config) -> None:
    """Raise ConversationError when the parts of a request do not fit each other or the model."""
    prompt, embeds = request.prompt, request.visual_embeds
    if not len(prompt.input_ids):
        raise ConversationError("prompt", "is empty", expected="a token at least")
    wanted = sum(grid.num_visual_tokens(config.tile_side) for grid in prompt.grids)
    if request.num_image_tokens != wanted:
        raise ConversationError("image_mask", "does not fit the grids", got=request.num_image_tokens, expected=wanted)
    side, width = config.vision_config.image_size, config.language_config.hidden_size
    if embeds is not None and embeds.shape != (wanted, width):
        raise ConversationError("visual_embeds", "do not fit", got=list(embeds.shape), expected=[wanted, width])
    tiles = [sum(grid.num_tiles for grid in prompt.grids), 3, side, side]
    if embeds is None and (len(prompt.tiles) != tiles[0] or (tiles[0] and list(prompt.tiles.shape) != tiles)):
        raise ConversationError("tiles", "do not fit", got=list(prompt.tiles.shape), expected=tiles)


def room_for_answer(request: Request, context_size: int) -> int:
    """Return how many tokens the answer may have. Raises ConversationError when the prompt fills the context."""
    room = room_behind(request.num_prompt_tokens, request.num_image_tokens, context_size)
    return min(room, request.settings.max_new_tokens)


def room_behind(num_prompt_tokens: int, num_image_tokens: int, context_size: int) -> int:
    """Return how many tokens fit behind a prompt. Raises ConversationError when it fills the context."""
    room = context_size - num_prompt_tokens
    if room < 1:
        raise ConversationError(
            "prompt", "leaves no room for an answer in the context of the model",
            got=f"{num_prompt_tokens} tokens, {num_image_tokens} of them visual",
            expected=f"fewer than {context_size}",
            do="Use fewer or smaller images (max_tiles, image_tokens), a shorter text, or a longer context "
            "(max_context with rope_scaling).",
        )  # fmt: skip
    return room
