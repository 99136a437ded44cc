"""Decode without words on the console."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from PIL import Image

_lock = threading.Lock()
_holders: list[warnings.catch_warnings] = []  # one for each thread inside; only the first has changed the filters


@contextmanager
def pil_silenced() -> Iterator[None]:
    """Ignore PIL's warnings meanwhile: what matters about an image is raised.

    Filters belong to the whole process: the first thread in sets them and the last one out restores them.
    """
    with _lock:
        _holders.append(_holders[0] if _holders else _enter())
    try:
        yield
    finally:
        with _lock:
            holder = _holders.pop()
            if not _holders:
                holder.__exit__(None, None, None)


@cache
def _quieten_libraries() -> None:
    """Keep PIL's error records from the console when nobody handles them, and libtiff from writing to stderr."""
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    # PIL has no switch for libtiff's error handler; without a way to reach it, its lines stay
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(str(Image.core.__file__)).TIFFSetErrorHandler(None)


def _enter() -> warnings.catch_warnings:
    _quieten_libraries()
    holder = warnings.catch_warnings()
    holder.__enter__()
    warnings.filterwarnings("ignore", module="PIL")
    return holder
