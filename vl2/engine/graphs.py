"""Decode as a CUDA graph: a step of one token a sequence costs the host one copy and one launch.

A graph replays the same kernels on the same memory, so what changes from step to step lies in buffers of fixed size.
This has not run on a GPU yet. Tests on a CPU record a step's operations and replay them in the place of a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vl2.engine.cache import SCRAP_BLOCK, PagedCache
from vl2.engine.scheduler import Chunk
from vl2.model import VL2

Step = Callable[[], Tensor]
Capture = Callable[[Step], Step]  # takes a step, returns what does the same again on the same buffers

NUM_WARM_UPS = 2  # compile kernels, and let libraries take their workspace
LEAST_SLOTS = 256  # positions that the smallest graph shows; each larger one shows twice as many


class CudaCapture:
    """Capture steps as CUDA graphs that share their memory. Has not run on a GPU yet."""

    def __init__(self) -> None:
        self._pool: Any = None  # torch's handle of the memory they share

    def __call__(self, step: Step) -> Step:
        """Run a step until nothing new happens in it, then capture it. Running it twice must change nothing."""
        side, current = torch.cuda.Stream(), torch.cuda.current_stream()
        side.wait_stream(current)
        with torch.cuda.stream(side):
            for _ in range(NUM_WARM_UPS):
                step()
        current.wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # other threads may use the GPU meanwhile: they encode images, or have an engine of their own
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            out = step()
        self._pool = graph.pool()

        def again() -> Tensor:
            graph.replay()
            return out

        return again


class DecodeGraphs:
    """Steps of one token a sequence, captured when they are first needed.

    There is one for each number of rows and of blocks, both rounded up to a power of two. Rows beyond the sequences
    look at the scrap block alone. Has not run on a GPU yet.
    """

    def __init__(self, model: VL2, cache: PagedCache, capture: Capture) -> None:
        self.model, self.cache, self.capture = model, cache, capture
        self.least_blocks = -(-LEAST_SLOTS // cache.block_size)
        # by numbers of rows and blocks: a line [2 + blocks] a row holds token, position and block table
        self._steps: dict[tuple[int, int], tuple[Tensor, Step]] = {}

    def run(self, chunks: Sequence[Chunk]) -> Tensor:
        """Return the logits [n, V] behind chunks of one token each, and leave their entries in the cache."""
        num_needed = max(chunk.start for chunk in chunks) // self.cache.block_size + 1
        num_rows, num_blocks = _power_of_two(len(chunks)), _power_of_two(max(num_needed, self.least_blocks))
        tables = [c.sequence.blocks[:num_blocks] for c in chunks]
        lines = [[c.sequence.tokens[c.start], c.start, *table] for c, table in zip(chunks, tables, strict=True)]
        lines += [[0, 0]] * (num_rows - len(lines))
        filled = [[*line, *[SCRAP_BLOCK] * (2 + num_blocks - len(line))] for line in lines]
        numbers = torch.tensor(filled, dtype=torch.int32)  # [rows, 2 + blocks]
        found = self._steps.get((num_rows, num_blocks))
        if found is None:
            inputs = numbers.to(self.cache.slots.device, copy=True)  # [rows, 2 + blocks]
            found = self._steps[num_rows, num_blocks] = inputs, self.capture(self._step(inputs))
        inputs, again = found
        inputs.copy_(numbers)
        return again()[: len(chunks)].clone()  # the next replay writes over what this one returned

    def _step(self, inputs: Tensor) -> Step:
        """Return what computes the logits [rows, V] of the tokens that stand in `inputs` by then."""
        num_rows, num_blocks = len(inputs), inputs.shape[1] - 2
        shown = self.cache.view([()] * num_rows, num_blocks * self.cache.block_size)
        language = self.model.language

        def step() -> Tensor:
            ids, positions = inputs[:, :1].long(), inputs[:, 1:2].long()  # [rows, 1] each
            # a new view each time: it keeps the places that it finds in the tables
            view = replace(shown, tables=inputs[:, 2:])
            embeds = language.embedding(ids)  # [rows, 1, D]
            hidden = language(embeds, positions, torch.ones_like(ids), view, self.model.backends)
            return self.model.logits(hidden.states[:, 0])  # [rows, V]

        return step


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
