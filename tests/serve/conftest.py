"""One server with pocket for all tests that change nothing in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("httpx", reason="needs the extra serve")

import vl2
from tests.serve.serving import Running, running
from vl2.engine.assistant import Assistant


@pytest.fixture(scope="session")
def assistant() -> Assistant:
    return vl2.load()


@pytest.fixture(scope="session")
def served(assistant: Assistant) -> Iterator[Running]:
    with running(assistant) as found:
        yield found


@pytest.fixture
def serve(assistant: Assistant) -> Callable[..., Any]:
    """Start a server with other settings: `with serve(max_images=1) as found`."""
    return lambda **settings: running(assistant, **settings)
