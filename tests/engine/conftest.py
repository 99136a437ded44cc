"""What the tests of the engine share."""

from __future__ import annotations

import pytest
from torch import Tensor

from vl2.engine import sight
from vl2.model import VL2


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tiles each call of the vision tower is given."""
    counts: list[int] = []
    embed_tiles = sight.embed_tiles

    def counting(model: VL2, tiles: Tensor) -> Tensor:
        counts.append(len(tiles))
        return embed_tiles(model, tiles)

    monkeypatch.setattr(sight, "embed_tiles", counting)
    return counts
