"""Server: the site over HTTP, for the people of this machine; only reading, and only for who names this machine."""

from __future__ import annotations

import ipaddress
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import vl2
from vl2.core.errors import VL2Error
from vl2.corpus.view.frame import Page, error_page
from vl2.corpus.view.site import Site, open_site

PATIENCE_S = 30.0  # with who does not finish a request
POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'{nonce}; script-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


class ViewServer(ThreadingHTTPServer):
    """A site at an address."""

    daemon_threads = True

    def __init__(self, site: Site, host: str, port: int) -> None:
        self.site, self.host = site, host
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Visit)

    @property
    def address(self) -> str:
        """Return where a browser finds it."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over who has gone; show the trace of what is ours."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def is_own(self, host: str) -> bool:
        """Tell whether a Host header names this machine.

        A page elsewhere may let its own name lead here (DNS rebinding); it cannot do so with an address in numbers.
        """
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
        name = name.strip("[]").lower()
        if name in ("localhost", self.host.lower()):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


class Visit(BaseHTTPRequestHandler):
    """One connection."""

    server: ViewServer  # pyright: ignore[reportIncompatibleVariableOverride]
    timeout = PATIENCE_S  # pyright: ignore[reportAssignmentType]

    def do_GET(self) -> None:
        """Answer with a page."""
        self._send(self._page(), with_body=True)

    def do_HEAD(self) -> None:
        """Answer with what a page would say of itself."""
        self._send(self._page(), with_body=False)

    def version_string(self) -> str:
        """Return who answers."""
        return f"vl2/{vl2.__version__}"

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the terminal free."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request that is answered here."""
        self._send(error_page(code, message or "This cannot be answered."), with_body=self.command != "HEAD")

    def _page(self) -> Page:
        if not self.server.is_own(self.headers.get("Host", "")):
            return error_page(421, "This name is not one of this machine. Use localhost, or its address in numbers.")
        return self.server.site.answer(self.path)

    def _send(self, page: Page, *, with_body: bool) -> None:
        self.send_response(page.status)
        nonce = f" 'nonce-{page.nonce}'" if page.nonce else ""
        headers = {
            "Content-Type": page.kind, "Content-Length": str(len(page.body)),
            "Content-Security-Policy": POLICY.format(nonce=nonce), "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": f"private, max-age={page.keep_s}" if page.keep_s else "no-store",
        }  # fmt: skip
        if page.goto:
            headers["Location"] = page.goto
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(page.body)


def open_server(folder: Path, host: str, port: int) -> ViewServer:
    """Return a server that listens. Raises VL2Error when there is no run, or the address is taken."""
    site = open_site(folder)
    try:
        return ViewServer(site, host, port)
    except (OSError, OverflowError) as error:
        told = getattr(error, "strerror", None) or str(error)
        raise VL2Error(
            f"{host}:{port}", "cannot be listened at", got=told, do="Set another --port or --host."
        ) from None
