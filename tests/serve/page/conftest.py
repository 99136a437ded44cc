"""A browser on the page, which a stand-in serves. Skips where Playwright or Chromium is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.serve.page.fake_server import FakeServer, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

TIMEOUT_MS = 300_000  # a machine that is busy with others is not a failure


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    path = os.environ.get("VL2_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium, or its path in VL2_CHROMIUM")
    # stopped with the package: its event loop counts as running in this thread, which other tests would meet
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"], timeout=3 * TIMEOUT_MS)
        yield opened
        opened.close()


@pytest.fixture
def server() -> Iterator[FakeServer]:
    started = running()
    yield started
    started.shutdown()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1280, "height": 860}, accept_downloads=True)
    opened.set_default_timeout(TIMEOUT_MS)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, server: FakeServer) -> Iterator[Page]:
    """The page, opened; a test fails when the console shows an error that it does not expect."""
    opened = context.new_page()
    errors: list[str] = []
    expected: list[str] = []
    opened.expected_errors = expected
    opened.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(server.address)
    opened.wait_for_selector(".example")
    yield opened
    unexpected = [error for error in errors if not any(text in error for text in expected)]
    assert not unexpected, unexpected
