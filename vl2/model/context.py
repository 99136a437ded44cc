"""Longer contexts than a checkpoint was trained for, by stretching its positions. Nothing is trained here."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from vl2.core.errors import ConfigError, nearest
from vl2.model.config import LanguageConfig, RopeScaling, VL2Config

RopeScalingType = Literal["yarn", "linear"]
MAX_STRETCH = 32  # YaRN has been shown up to 32 times the trained length (arXiv 2309.00071, section 4)


def with_context(
    config: VL2Config, max_context: int | None = None, rope_scaling: RopeScalingType | None = None
) -> VL2Config:
    """Return the config with room for `max_context` tokens; both None return it as it is.

    A context beyond the trained one needs `rope_scaling`: "yarn" keeps near positions apart and stretches far ones,
    "linear" stretches all alike. Either changes answers to short prompts too. Less than the trained context only
    lowers the limit. Raises ConfigError on anything else.
    """
    if max_context is None and rope_scaling is None:
        return config
    language = config.language_config
    trained = language.max_position_embeddings
    max_context = _checked(max_context, rope_scaling, trained)
    if rope_scaling is not None:
        language = replace(language, rope_scaling=_stretched(language, rope_scaling, max_context / trained))
    return replace(config, language_config=replace(language, max_position_embeddings=max_context))


def _checked(max_context: int | None, rope_scaling: str | None, trained: int) -> int:
    types = get_args(RopeScalingType)
    if rope_scaling is not None and rope_scaling not in types:
        raise ConfigError(
            "rope_scaling", "unknown", got=repr(rope_scaling), expected=", ".join(types),
            do=nearest(str(rope_scaling), types),
        )  # fmt: skip
    if max_context is None:
        raise ConfigError("rope_scaling", "needs a longer context", do="Give max_context too, in tokens.")
    largest = MAX_STRETCH * trained
    if not isinstance(max_context, int) or isinstance(max_context, bool) or not 1 < max_context <= largest:
        raise ConfigError("max_context", "out of range", got=max_context, expected=f"2..{largest} tokens")
    if max_context > trained and rope_scaling is None:
        raise ConfigError(
            "max_context", "is more than the model was trained for", got=max_context, expected=f"at most {trained}",
            do="Say how positions are stretched: rope_scaling yarn or linear.",
        )  # fmt: skip
    if max_context <= trained and rope_scaling is not None:
        raise ConfigError(
            "rope_scaling", "has nothing to stretch", got=f"max_context {max_context}", expected=f"more than {trained}",
            do="Leave it out, or ask for a longer context.",
        )  # fmt: skip
    return max_context


def _stretched(language: LanguageConfig, rope_scaling: RopeScalingType, factor: float) -> RopeScaling:
    """Return the official fields; a checkpoint that is stretched already is stretched further in its own way."""
    own = language.rope_scaling
    if own is None:
        # the whole score grows by (0.1 ln factor + 1)^2: in the softmax scale for MLA, whose scores are rotated in
        # part only, and through the table for MHA
        return RopeScaling(
            type=rope_scaling, factor=factor, original_max_position_embeddings=language.max_position_embeddings,
            mscale=1, mscale_all_dim=1 if language.use_mla else 0,
        )  # fmt: skip
    if own.type != rope_scaling:
        raise ConfigError(
            "rope_scaling", "differs from that of the checkpoint", got=rope_scaling, expected=own.type,
            do=f"Use {own.type}.",
        )  # fmt: skip
    return replace(own, factor=own.factor * factor)
