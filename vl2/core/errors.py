"""Errors that a user can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class VL2Error(Exception):
    """Say what is wrong, what was got, what was expected and what to do next.

    Rendered as one line: `thing: problem (got X, expected Y). What to do.`
    """

    def __init__(self, thing: str, problem: str, *, got: object = None, expected: object = None, do: str = "") -> None:
        details = [f"{word} {value}" for word, value in (("got", got), ("expected", expected)) if value is not None]
        line = f"{thing}: {problem}"
        if details:
            line += f" ({', '.join(details)})"
        super().__init__(f"{line}. {do}".rstrip() if do else f"{line}.")
        self.thing = thing

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as the finished line: no class is built again from its own arguments."""
        return Exception.__new__, (type(self), *self.args), self.__dict__


class ImageError(VL2Error):
    """An image that cannot be used."""


class ConfigError(VL2Error):
    """A configuration that cannot be used."""


class ConversationError(VL2Error):
    """A conversation that the chat format cannot express."""


class WeightsError(VL2Error):
    """A checkpoint that does not fit the model."""


class MemoryPreflightError(VL2Error):
    """A model that does not fit into the memory of this machine."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return a hint that names the valid word nearest to `name`, or an empty string."""
    found = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return f"Did you mean {found[0]!r}?" if found else ""
