"""Site: which address shows what."""

from __future__ import annotations

import io
import secrets
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from vl2.core.encoded import image_suffix
from vl2.core.errors import ConfigError, ImageError, VL2Error
from vl2.corpus.stored import is_run, open_run
from vl2.corpus.view.frame import Page, error_page, row_address, run_address
from vl2.corpus.view.index import Index
from vl2.corpus.view.row_page import row_page
from vl2.corpus.view.run_page import run_page, runs_page
from vl2.corpus.view.wanted import parse_wanted
from vl2.processor import image_size, open_image

WEB = Path(__file__).parent / "web"
FILES = {"page.css": "text/css", "view.css": "text/css", "view.js": "text/javascript"}
AS_THEY_ARE = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "bmp": "image/bmp", "avif": "image/avif"}
MOST_PIXELS = 24_000_000  # that a browser gets as they are; more are made smaller
SIDE = 4096  # of what is made smaller
FIND_SECONDS = 20.0
PICTURE_S = 3600
MOST_FIELDS, MOST_DIGITS = 32, 16  # of an address


class Site:
    """The finished runs of a folder."""

    def __init__(self, runs: dict[str, Index], unfinished: Sequence[str] = ()) -> None:
        self.runs, self.unfinished = runs, unfinished

    def answer(self, target: str) -> Page:
        """Return what an address shows; what is wrong is a page too."""
        try:
            return self._answer(target)
        except ConfigError as error:
            return error_page(400, str(error))
        except VL2Error as error:
            return error_page(404, str(error))

    def _answer(self, target: str) -> Page:
        parts, query = _parse(target)
        nonce = secrets.token_urlsafe(12)
        match parts:
            case [""] if len(self.runs) == 1 and not self.unfinished:
                return _goto(run_address(next(iter(self.runs))))
            case [""]:
                return runs_page(self.runs, self.unfinished, nonce)
            case ["-", "find"]:
                return self._find(query.get("id", ""))
            case ["-", name] if name in FILES:
                return Page(body=(WEB / name).read_bytes(), kind=f"{FILES[name]}; charset=utf-8")
            case [name, ""] if name in self.runs:
                start = _number(query.get("until") or query.get("start", "0"))
                return run_page(self.runs[name], parse_wanted(query), start, nonce, backwards="until" in query)
            case [name, "at", number] if name in self.runs:
                row = _number(number)
                return _goto(row_address(name, self.runs[name].read(row, with_images=False).id, row))
            case [name, "row", row_id] if name in self.runs:
                return row_page(self.runs[name], self._row(name, row_id, query), nonce)
            case [name, "picture", row_id, number] if name in self.runs:
                return self._picture(self.runs[name], self._row(name, row_id, query), _number(number))
        return error_page(404, "Nothing is here.")

    def _row(self, name: str, row_id: str, query: dict[str, str]) -> int:
        row = self.runs[name].find(row_id, FIND_SECONDS, _number(query.get("at", "0")))
        if row is None:
            raise VL2Error(name, "no row of that id was found", got=row_id[:80], do="Load this again to look further.")
        return row

    def _find(self, row_id: str) -> Page:
        """Look for a row in all runs."""
        for name, index in self.runs.items():
            row = index.find(row_id, FIND_SECONDS / len(self.runs))
            if row is not None:
                return _goto(row_address(name, row_id, row))
        told = "is in none of the runs that are shown. Rows between two steps of a run are not kept on disk."
        return error_page(404, f"Row {row_id[:80]} {told}")

    def _picture(self, index: Index, row: int, number: int) -> Page:
        """Return a picture in its own bytes where browsers can take them, else as a smaller PNG."""
        sample = index.read(row)
        if number >= len(sample.images):
            raise VL2Error("picture", "the row has no such picture", got=number, expected=f"below {len(sample.images)}")
        image = sample.images[number]
        data = image.data or b""
        try:
            width, height = image_size(image)  # within the limits of bytes and pixels, by its header
            kind = AS_THEY_ARE.get(image_suffix(data))
            if kind is None or width * height > MOST_PIXELS:
                shown = open_image(image, alpha="white")
                shown.thumbnail((SIDE, SIDE))
                stream = io.BytesIO()
                shown.save(stream, "PNG", compress_level=1)
                data, kind = stream.getvalue(), "image/png"
        except ImageError as error:
            return error_page(415, str(error))
        return Page(body=data, kind=kind, keep_s=PICTURE_S)


def open_site(folder: Path) -> Site:
    """Return the runs of a folder, or the one that it is. Raises VL2Error when there is none."""
    folders = [folder] if is_run(folder) else sorted(filter(is_run, folder.iterdir())) if folder.is_dir() else []
    if not folders:
        raise VL2Error(str(folder), "no corpus run here", do="Run `vl2 corpus run` first.")
    runs, unfinished = {}, []
    for one in folders:
        try:
            index = Index(open_run(one))
        except VL2Error:
            if len(folders) == 1:
                raise
            unfinished.append(one.name)
        else:
            runs[index.run.name] = index
    return Site(runs, unfinished)


def _goto(address: str) -> Page:
    return Page(body=b"", status=303, goto=address)


def _parse(target: str) -> tuple[list[str], dict[str, str]]:
    """Return the parts of a path, and the fields of a query. Raises ConfigError."""
    try:
        address = urlsplit(target)
        query = dict(parse_qsl(address.query, max_num_fields=MOST_FIELDS))
    except ValueError:
        raise ConfigError("address", "cannot be read", got=repr(target[:40])) from None
    return [unquote(part) for part in address.path.split("/")[1:]], query


def _number(told: str) -> int:
    """Return a whole number. Raises ConfigError."""
    if not (told.isascii() and told.isdigit() and len(told) < MOST_DIGITS):
        raise ConfigError("address", "not a number", got=repr(told[:40]))
    return int(told)
