"""Frame: what all pages share: head, the line at the top, the style of their boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from vl2.corpus.view.card import Rules

OWN = "/-/"  # below which our own files lie; no run is called so


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page, or what stands for one: a picture, a file, another address."""

    body: bytes
    kind: str = "text/html; charset=utf-8"
    status: int = 200
    nonce: str = ""  # of the style that the page brings along
    goto: str = ""
    keep_s: int = 0  # how long a browser may keep it


def framed(title: str, body: str, rules: Rules, nonce: str, crumbs: Sequence[tuple[str, str]] = (), *,
           status: int = 200) -> Page:  # fmt: skip
    """Return a page; crumbs are (address, name) of what stands above it."""
    links = "".join(
        f'<span class="crumb">/</span><a href="{escape(address)}">{escape(name)}</a>' for address, name in crumbs
    )
    style = f'<style nonce="{nonce}">{rules.to_css()}</style>' if rules.lines else ""
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,">'
        f'<link rel="stylesheet" href="{OWN}page.css"><link rel="stylesheet" href="{OWN}view.css">'
        f'{style}<script src="{OWN}view.js" defer></script></head><body>'
        f'<a class="skip" href="#content">To the rows</a><header class="top"><a class="home" href="/">Corpus</a>{links}'
        f'</header><main id="content">{body}</main></body></html>\n'
    )
    return Page(body=text.encode("utf-8", "replace"), nonce=nonce if style else "", status=status)


def error_page(status: int, told: str) -> Page:
    """Return a page that says what is wrong."""
    body = f'<div class="notice"><h1>{status}</h1><p>{escape(told)}</p><p><a href="/">To the start</a></p></div>'
    return framed(str(status), body, Rules(), "", status=status)


def run_address(name: str) -> str:
    """Return where a run is shown."""
    return f"/{quote(name, safe='')}/"


def row_address(name: str, row_id: str, row: int) -> str:
    """Return where a row is shown; its number is a hint, its id decides."""
    return f"{run_address(name)}row/{quote(row_id, safe='')}?at={row}"


def picture_address(name: str, row_id: str, number: int, row: int) -> str:
    """Return where a picture of a row lies."""
    return f"{run_address(name)}picture/{quote(row_id, safe='')}/{number}?at={row}"
