"""Request: one prompt and how to answer it."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from vl2.core.batch import ModelInput
from vl2.core.errors import ConversationError
from vl2.engine.sampler import Constraint, SamplingSettings


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
