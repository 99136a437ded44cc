"""Fetch an image from an allowed host, and from no machine of this network."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx

from vl2.core.errors import ImageError

MOST_REDIRECTS = 3
PORTS = {"http": 80, "https": 443}


async def fetch(address: str, hosts: tuple[str, ...], *, max_bytes: int, timeout_s: float) -> bytes:
    """Return what is at an address. Raises ImageError when its host is not allowed, private, slow or says too much.

    A name is resolved once and that number is asked: nobody can change it between the check and the use.
    """
    try:
        async with asyncio.timeout(timeout_s):
            for _ in range(MOST_REDIRECTS + 1):
                found = await _ask(address, hosts, max_bytes)
                if isinstance(found, bytes):
                    return found
                address = urljoin(address, found)
    except TimeoutError:
        raise ImageError("image", "took too long to fetch", expected=f"at most {timeout_s:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise ImageError("image", f"cannot be fetched: {type(error).__name__}", do="Check the address.") from None
    raise ImageError("image", "too many redirects", expected=f"at most {MOST_REDIRECTS}")


async def _ask(address: str, hosts: tuple[str, ...], max_bytes: int) -> bytes | str:
    """Return the body, or where it has moved to."""
    parts = urlsplit(address)
    host, number = await _allowed(parts, hosts)
    port = parts.port or PORTS[parts.scheme]
    literal = f"[{number}]" if ":" in number else number
    target = f"{parts.scheme}://{literal}:{port}{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    async with (
        httpx.AsyncClient(trust_env=False, follow_redirects=False) as client,
        client.stream(
            "GET", target, headers={"Host": parts.netloc.rpartition("@")[2], "Accept": "image/*"},
            extensions={"sni_hostname": host},
        ) as answer,
    ):  # fmt: skip
        if answer.is_redirect and "location" in answer.headers:
            return answer.headers["location"]
        if answer.status_code != 200:
            raise ImageError("image", "cannot be fetched", got=f"status {answer.status_code}", expected="200")
        body = bytearray()
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > max_bytes:
                raise ImageError("image", "too large", expected=f"at most {max_bytes} bytes")
        return bytes(body)


async def _allowed(parts: SplitResult, hosts: tuple[str, ...]) -> tuple[str, str]:
    """Return the host and the number to ask. Raises ImageError unless both are allowed."""
    host = (parts.hostname or "").rstrip(".").lower()
    if parts.scheme not in PORTS or not host:
        raise ImageError("image", "the address cannot be used", expected="http or https")
    if not hosts:
        raise ImageError("image", "addresses are not fetched", do="Send a data URL, or start with --image-host.")
    if "*" not in hosts and host not in hosts:
        raise ImageError("image", "the host is not allowed", got=host[:80], expected=", ".join(hosts))
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, parts.port or PORTS[parts.scheme], type=socket.SOCK_STREAM)
    numbers = [str(entry[4][0]) for entry in found]
    if not numbers or not all(_is_public(number) for number in numbers):
        raise ImageError("image", "the host is not public", got=host[:80], do="Send a data URL.")
    return host, numbers[0]


def _is_public(number: str) -> bool:
    """Tell whether a number belongs to a machine that anybody may ask."""
    address = ipaddress.ip_address(number.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None:
            return _is_public(str(inner))
        if address in ipaddress.ip_network("64:ff9b::/96"):  # IPv4 behind a translator
            return _is_public(str(ipaddress.ip_address(int(address) & 0xFFFFFFFF)))
    return address.is_global and not address.is_multicast
