"""The DeepSeek-VL2 system: `vl2.load()` gives a model with the verbs ask, chat, detect, point, caption and read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vl2.core.errors import VL2Error

if TYPE_CHECKING:
    import torch

    from vl2.engine.assistant import Assistant
    from vl2.engine.engine import CacheDtype
    from vl2.model.context import RopeScalingType

__version__ = "0.1.0"
__all__ = ["VL2Error", "__version__", "load"]


def load(
    model: str | Path = "pocket",
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    max_tiles: int | None = None,
    max_context: int | None = None,
    rope_scaling: RopeScalingType | None = None,
    num_draft_tokens: int = 0,
    cache_dtype: CacheDtype | None = None,
    adapter: str | Path | None = None,
) -> Assistant:
    """Load a model, see `vl2.engine.assistant.load`."""
    from vl2.engine import assistant  # torch takes seconds to import; `import vl2` does not need it

    return assistant.load(
        model, device=device, dtype=dtype, max_tiles=max_tiles, max_context=max_context, rope_scaling=rope_scaling,
        num_draft_tokens=num_draft_tokens, cache_dtype=cache_dtype, adapter=adapter,
    )  # fmt: skip
