"""Job: a request under way in the engine, and everything that belongs to it alone."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vl2.engine.lookup import Lookup
from vl2.engine.request import Request
from vl2.engine.sampler import Sampler
from vl2.engine.sequence import Sequence
from vl2.engine.sight import Look
from vl2.engine.text_stream import TextStream


@dataclass(kw_only=True, eq=False)
class Job:
    """A request under way."""

    request: Request
    sequence: Sequence
    room: int  # tokens that may still come
    sampler: Sampler
    text: TextStream
    lookup: Lookup | None
    look: Look  # at no image when they were encoded before
    visual: Tensor | None  # [visual tokens, D] once they are needed

    def show(self) -> None:
        """Put the visual tokens together, now that all images are seen."""
        self.visual, self.look = self.look.visual(), Look(())
