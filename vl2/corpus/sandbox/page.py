"""Page: HTML of strangers as Chromium shows it: a picture and the text that can be seen. Nothing else is loaded.

The page comes from a server of this process under a policy that forbids scripts, forms, navigation and every address,
and the browser knows no other host.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from vl2.core.errors import VL2Error
from vl2.corpus.sources.markup import tamed

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"
_AS_ROOT = ("--no-sandbox",) if os.geteuid() == 0 else ()  # Chromium's own does not work for root
MOST_HTML = 4 << 20
MOST_DOM = 16 << 20
_HIDDEN = frozenset(("script", "style", "head", "template", "noscript", "title", "svg", "iframe", "object"))
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())


@dataclass(frozen=True)
class Shown:
    """What a browser makes of a page."""

    picture: bytes  # PNG
    text: str


def find_browser() -> str | None:
    """Return the path of a Chromium, None where none is installed."""
    return next((path for path in map(shutil.which, BROWSERS) if path), None)


def show_page(html: str, size: tuple[int, int] = (1280, 800), timeout_s: float = 60.0) -> Shown:
    """Return a page as it is shown in a window of that size. Raises VL2Error where it cannot be."""
    browser = find_browser()
    if browser is None:
        raise VL2Error("page", "no Chromium is installed", do="Install chromium.")
    if len(html) > MOST_HTML:
        raise VL2Error("page", "too long", expected=f"at most {MOST_HTML} characters")
    with tempfile.TemporaryDirectory(prefix="vl2-page-", ignore_cleanup_errors=True) as place, _served(html) as address:
        picture = Path(place) / "page.png"
        command = [
            browser, *_AS_ROOT, "--headless=new", "--disable-gpu", "--hide-scrollbars", "--mute-audio",
            "--disable-dev-shm-usage", "--disable-extensions", "--no-first-run", "--disable-background-networking",
            f"--user-data-dir={place}/profile", f"--window-size={size[0]},{size[1]}", f"--screenshot={picture}",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--force-device-scale-factor=1", "--dump-dom",
            "--virtual-time-budget=2000", address,
        ]  # fmt: skip
        dom = _run(command, timeout_s)
        if not picture.is_file():
            raise VL2Error("page", "the browser shows nothing")
        return Shown(picture.read_bytes(), visible_text(dom))


def visible_text(html: str) -> str:
    """Return the words of a page that are not markup, style or script, one space between them."""
    reader = _TextReader()
    reader.feed(tamed(html))
    return " ".join("".join(reader.pieces).split())


class _TextReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what hides, and a gap where a block begins."""
        if tag in _HIDDEN and tag not in _VOID:
            self._hidden.append(tag)
        self.pieces.append(" ")

    def handle_endtag(self, tag: str) -> None:
        """End what hides; an end without its start is passed over, as browsers do."""
        if tag in self._hidden:
            while self._hidden.pop() != tag:
                pass
        self.pieces.append(" ")

    def handle_data(self, data: str) -> None:
        """Keep what can be seen."""
        if not self._hidden:
            self.pieces.append(re.sub(r"[\ud800-\udfff]", "", data))


@contextmanager
def _served(html: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = html.encode("utf-8", "replace") if self.path == "/page" else b""
            self.send_response(200 if data else 404)
            for name, value in (("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", POLICY),
                                ("Content-Length", str(len(data)))):  # fmt: skip
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/page"
    finally:
        server.shutdown()
        server.server_close()


def _run(command: list[str], timeout_s: float) -> str:
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                                   start_new_session=True)  # fmt: skip
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise VL2Error("page", "takes too long") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return output.read(MOST_DOM).decode("utf-8", "replace")
