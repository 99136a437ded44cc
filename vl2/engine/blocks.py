"""Blocks of cache slots: which are free, who uses them, and which hold a prefix that may come again."""

from __future__ import annotations

from collections import OrderedDict, deque

from vl2.core.errors import ConfigError

BlockKey = bytes  # names a block's content and everything before it


class BlockPool:
    """Hand out block numbers. A block with a key outlives its users until its room is needed, oldest first."""

    def __init__(self, num_blocks: int, *, first: int = 0) -> None:
        """Manage the blocks `first` .. `first + num_blocks - 1`."""
        if num_blocks < 1:
            raise ConfigError("cache", "has no blocks", got=num_blocks, expected="at least 1")
        self.num_blocks = num_blocks
        self._free = deque(range(first, first + num_blocks))
        self._uses: dict[int, int] = {}
        self._keys: dict[int, BlockKey] = {}
        self._blocks: dict[BlockKey, int] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()  # no users, but a key

    @property
    def num_available(self) -> int:
        """Return how many blocks can be taken now."""
        return len(self._free) + len(self._idle)

    @property
    def num_used(self) -> int:
        """Return how many blocks have a user."""
        return len(self._uses)

    def take(self) -> int | None:
        """Return a block for new content, None when all are in use."""
        if self._free:
            block = self._free.popleft()
        elif self._idle:
            block, _ = self._idle.popitem(last=False)
            del self._blocks[self._keys.pop(block)]
        else:
            return None
        self._uses[block] = 1
        return block

    def holds(self, key: BlockKey) -> bool:
        """Tell whether a block holds this content now."""
        return key in self._blocks

    def share(self, key: BlockKey) -> int | None:
        """Return the block that holds this content, with one user more, or None."""
        block = self._blocks.get(key)
        if block is None:
            return None
        self._idle.pop(block, None)
        self._uses[block] = self._uses.get(block, 0) + 1
        return block

    def name(self, block: int, key: BlockKey) -> None:
        """Say what a block holds, now that it is full. The first block of a content keeps its name."""
        if key not in self._blocks and block not in self._keys:
            self._blocks[key] = block
            self._keys[block] = key

    def release(self, block: int) -> None:
        """Take one user away."""
        self._uses[block] -= 1
        if self._uses[block]:
            return
        del self._uses[block]
        if block in self._keys:
            self._idle[block] = None
        else:
            self._free.append(block)
