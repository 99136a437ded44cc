"""Images from other hosts: allowed ones alone, public ones alone, and what was checked is what is asked."""

from __future__ import annotations

import asyncio
import http.server
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.serve.serving import EXAMPLES
from vl2.core.errors import ImageError
from vl2.serve import fetch as fetch_module
from vl2.serve.fetch import _is_public, fetch

SIGN = (EXAMPLES / "sign.png").read_bytes()
PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "fe80::1%eth0",
]  # fmt: skip


class Site(http.server.BaseHTTPRequestHandler):
    """Pictures and traps."""

    asked: list[tuple[str, str]] = []

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["Host"]))
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path[4:].replace("|", "/"))
            self.end_headers()
            return
        self.send_response(404 if self.path == "/none.png" else 200)
        self.end_headers()
        if self.path == "/slow.png":
            threading.Event().wait(2)
        if self.path == "/endless.png":
            try:
                for _ in range(10_000):
                    self.wfile.write(b"a" * 10_000)
            except OSError:
                return
        if self.path == "/sign.png":
            self.wfile.write(SIGN)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A site that the names example.com and evil.com lead to, as if its machine were a public one."""
    Site.asked.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    names = {"example.com": "127.0.0.1", "evil.com": "127.0.0.1", "inner.com": "10.0.0.1"}

    async def getaddrinfo(self: Any, host: str, port: int, **_: Any) -> list:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (names.get(host, host), port))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(fetch_module, "_is_public", lambda number: number == "127.0.0.1" or _is_public(number))
    yield f"example.com:{server.server_address[1]}"
    server.shutdown()


def get(
    address: str, hosts: tuple[str, ...] = ("example.com",), max_bytes: int = 1 << 20, timeout_s: float = 5
) -> bytes:
    return asyncio.run(fetch(address, hosts, max_bytes=max_bytes, timeout_s=timeout_s))


@pytest.mark.parametrize("number", PRIVATE)
def test_private_machines(number: str) -> None:
    assert not _is_public(number)


@pytest.mark.parametrize("number", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946"])
def test_public_machines(number: str) -> None:
    assert _is_public(number)


def test_a_picture_and_the_name_it_is_asked_by(site: str) -> None:
    assert get(f"http://{site}/sign.png") == SIGN
    assert Site.asked == [("/sign.png", site)]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none.png", "status 404"),
        ("endless.png", "too large"),
        ("slow.png", "too long"),
        ("to/|to|", "too many redirects"),
    ],
)
def test_pictures_that_do_not_come(site: str, path: str, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        get(f"http://{site}/{path}", max_bytes=100_000, timeout_s=0.5)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("http:||inner.com|x.png", "not allowed"),
        ("http:||evil.com|x.png", "not allowed"),
        ("file:||||etc|passwd", "cannot be used"),
        ("http:||example.com:{port}|to|http:||169.254.169.254|", "not allowed"),
    ],
)
def test_redirects_are_checked_again(site: str, target: str, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        get(f"http://{site}/to/{target.replace('{port}', site.partition(':')[2])}")


def test_names_of_private_machines(site: str) -> None:
    for host in ("inner.com", "169.254.169.254", "localhost"):
        with pytest.raises(ImageError, match="not public|cannot be fetched"):
            get(f"http://{host}/x.png", hosts=("*",))


@pytest.mark.parametrize(
    ("address", "hosts"),
    [
        ("http://example.com/a.png", ()),
        ("http://user@evil.com/a.png", ("example.com",)),
        ("http://example.com\\@evil.com/", ("example.com",)),
        ("http://example.com:99999/", ("*",)),
        ("http://[::1", ("*",)),
        ("http://", ("*",)),
        ("ftp://example.com/a", ("*",)),
    ],
)
def test_addresses_that_are_refused(site: str, address: str, hosts: tuple[str, ...]) -> None:
    with pytest.raises(ImageError):
        get(address, hosts)
    assert not Site.asked
