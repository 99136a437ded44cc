"""Scheduler: which tokens of which sequences the next step computes. It knows blocks and counts, no tensors."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from vl2.core.errors import ConfigError, VL2Error
from vl2.engine.blocks import BlockPool
from vl2.engine.sequence import Sequence


@dataclass(frozen=True)
class Chunk:
    """The tokens `start` .. `stop - 1` of a sequence, and guesses of what follows them."""

    sequence: Sequence
    start: int
    stop: int
    drafts: tuple[int, ...] = ()  # only behind a single token that is the last

    @property
    def num_tokens(self) -> int:
        """Return how many tokens are computed, guesses included."""
        return self.stop - self.start + len(self.drafts)

    @property
    def is_last(self) -> bool:
        """Tell whether the chunk ends where the next token is to be chosen."""
        return self.stop == len(self.sequence.tokens)


class Scheduler:
    """First come, first served. When blocks run out, the latest sequence gives its own back and waits again."""

    def __init__(self, pool: BlockPool, *, block_size: int, max_running: int, step_tokens: int) -> None:
        """`step_tokens` bounds what one step computes; every running sequence gets its one token before prompts."""
        for name, value in (("block_size", block_size), ("max_running", max_running), ("step_tokens", step_tokens)):
            if value < 1:
                raise ConfigError(name, "must be positive", got=value)
        self.pool, self.block_size = pool, block_size
        self.max_running, self.step_tokens = max_running, step_tokens
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self.num_preempted = 0
        self.num_reused = 0  # tokens that were found in the cache

    def check(self, num_most: int) -> None:
        """Raise VL2Error when a sequence that may grow to `num_most` tokens could never fit."""
        if self._num_blocks(num_most) > self.pool.num_blocks:
            raise VL2Error(
                "cache", "is too small for this request", got=f"{num_most} tokens",
                expected=f"at most {self.pool.num_blocks * self.block_size}",
                do="Ask for fewer new tokens, use fewer or smaller images, or give the engine a larger cache.",
            )  # fmt: skip

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence that `check` has let pass, in order of arrival."""
        place = next((k for k, other in enumerate(self.waiting) if other.number > sequence.number), len(self.waiting))
        self.waiting.insert(place, sequence)

    def num_cached(self, sequence: Sequence) -> int:
        """Return how many of a sequence's first tokens would be found in the cache now."""
        sequence.extend_keys(self.block_size)
        missing = (place for place, key in enumerate(sequence.keys) if not self.pool.holds(key))
        return next(missing, len(sequence.keys)) * self.block_size

    def plan(self) -> list[Chunk]:
        """Choose the next step: at most one chunk a sequence; empty when there is nothing to do."""
        chunks: list[Chunk] = []
        budget = self.step_tokens
        for sequence in self.running:
            self._take_back(sequence)
        for sequence in sorted(self.running, key=lambda one: (one.num_left > 1, one.number)):
            if sequence not in self.running:
                continue  # it gave its blocks to an earlier one
            count = sequence.num_left if sequence.num_left == 1 else min(sequence.num_left, budget)
            if count < 1:
                continue
            if self._make_room(sequence, sequence.num_computed + count):
                chunks.append(Chunk(sequence, sequence.num_computed, sequence.num_computed + count))
                budget -= count
        chunks = [chunk for chunk in chunks if chunk.sequence in self.running]
        while budget > 0 and self.waiting and len(self.running) < self.max_running:
            sequence = self.waiting[0]
            if not self._admit(sequence):
                break
            count = min(sequence.num_left, budget)
            chunks.append(Chunk(sequence, sequence.num_computed, sequence.num_computed + count))
            budget -= count
        return self._add_drafts(chunks, budget)

    def computed(self, sequence: Sequence, stop: int) -> None:
        """Note that the cache holds the tokens before `stop`; full blocks of them may be shared from now on."""
        start, sequence.num_computed = sequence.num_computed, stop
        sequence.extend_keys(self.block_size)
        for place in range(start // self.block_size, stop // self.block_size):
            self.pool.name(sequence.blocks[place], sequence.keys[place])

    def remove(self, sequence: Sequence) -> None:
        """Forget a sequence, whether it has ended or nobody wants it any more."""
        if sequence in self.running:
            self.running.remove(sequence)
            self._release(sequence)
        elif sequence in self.waiting:
            self.waiting.remove(sequence)

    def _admit(self, sequence: Sequence) -> bool:
        """Start a waiting sequence on the blocks of the prefix that is cached, if the rest of its prompt fits too."""
        sequence.extend_keys(self.block_size)
        # the last token is always computed: its logits are what the answer begins with
        for key in sequence.keys[: (len(sequence.tokens) - 1) // self.block_size]:
            block = self.pool.share(key)
            if block is None:
                break
            sequence.blocks.append(block)
        if self._num_blocks(len(sequence.tokens)) - len(sequence.blocks) > self.pool.num_available:
            self._release(sequence)
            return False
        sequence.num_computed = len(sequence.blocks) * self.block_size
        self.num_reused += sequence.num_computed
        if sequence.num_reused is None:
            sequence.num_reused = sequence.num_computed
        self._grow(sequence, len(sequence.tokens))
        self.waiting.popleft()
        self.running.append(sequence)
        return True

    def _add_drafts(self, chunks: list[Chunk], budget: int) -> list[Chunk]:
        """Give drafts what the step has left, in tokens and blocks: a guess takes nothing from what is sure."""
        planned: list[Chunk] = []
        for chunk in chunks:
            drafts = chunk.sequence.drafts[: max(budget, 0)] if chunk.is_last and chunk.stop - chunk.start == 1 else ()
            if drafts:
                self._grow(chunk.sequence, chunk.stop + len(drafts))
                drafts = drafts[: len(chunk.sequence.blocks) * self.block_size - chunk.stop]
            planned.append(replace(chunk, drafts=drafts))
            budget -= len(drafts)
        return planned

    def _take_back(self, sequence: Sequence) -> None:
        """Take the blocks of drafts that were wrong: whoever is sure of a token comes first."""
        while len(sequence.blocks) > self._num_blocks(len(sequence.tokens)):
            self.pool.release(sequence.blocks.pop())

    def _make_room(self, sequence: Sequence, num_tokens: int) -> bool:
        """Give a running sequence blocks for `num_tokens`; tell whether it is still running."""
        while not self._grow(sequence, num_tokens):
            latest = max(self.running, key=lambda one: one.number)
            self._preempt(latest)
            if latest is sequence:
                return False
        return True

    def _grow(self, sequence: Sequence, num_tokens: int) -> bool:
        while len(sequence.blocks) < self._num_blocks(num_tokens):
            block = self.pool.take()
            if block is None:
                return False
            sequence.blocks.append(block)
        return True

    def _preempt(self, sequence: Sequence) -> None:
        """Take a sequence's blocks. What they hold may still be there when its turn comes again."""
        self.num_preempted += 1
        self.running.remove(sequence)
        self._release(sequence)
        self.add(sequence)

    def _release(self, sequence: Sequence) -> None:
        for block in reversed(sequence.blocks):  # the end of a prefix goes first: its beginning serves more
            self.pool.release(block)
        sequence.blocks.clear()
        sequence.num_computed = 0

    def _num_blocks(self, num_tokens: int) -> int:
        return -(-num_tokens // self.block_size)
