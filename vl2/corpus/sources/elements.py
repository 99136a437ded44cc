"""Elements: the values of a large JSON object, found again by their places: the file is streamed once, not held."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from vl2.core.errors import VL2Error
from vl2.data.records.files import MAX_ROW_BYTES, open_file, unpacked

_CHUNK = 1 << 20
_SPACE = " \t\r\n"


class Element(NamedTuple):
    """A value in a file: where it lies, its bytes, and what it says; texts beyond ASCII only say so in the bytes."""

    offset: int
    data: bytes
    value: Any


class Elements:
    """The objects of one array by the number in one of their fields; 24 bytes of memory an object."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._keys, self._offsets, self._sizes = array("q"), array("q"), array("q")

    def add(self, key: int, offset: int, size: int) -> None:
        """Note where an object lies."""
        self._keys.append(key)
        self._offsets.append(offset)
        self._sizes.append(size)

    def close(self) -> None:
        """Sort what was noted, once all of it is."""
        self.keys = np.frombuffer(self._keys, np.int64)  # [n]
        self.order = np.argsort(self.keys, kind="stable")  # [n]
        self.sorted = self.keys[self.order]  # [n]

    def __len__(self) -> int:
        return len(self._offsets)

    def find(self, key: int) -> list[int]:
        """Return the numbers of the objects with a key, in their order."""
        first, end = np.searchsorted(self.sorted, [key, key + 1])
        return self.order[first:end].tolist()

    def read(self, file: BinaryIO, number: int) -> Any:
        """Return an object. Raises ValueError or RecursionError when it is no JSON."""
        file.seek(self._offsets[number])
        return json.loads(file.read(self._sizes[number]).decode("utf-8"))


def index(path: str, wanted: Mapping[str, str]) -> tuple[str, dict[str, Elements]]:
    """Return the file to read from, and the objects of each wanted array by their `wanted` field.

    `wanted` maps the name of an array to the field that is its key; objects without it have the key -1.
    Raises VL2Error when the file is no JSON object, or lacks one of the arrays.
    """
    copy = unpacked(path)
    found = {name: Elements(path) for name in wanted}
    seen: set[str] = set()
    with open_file(copy) as file:
        for name, element in members(file, path):
            if name in wanted:
                seen.add(name)
                if element is not None:
                    found[name].add(_key_in(element, wanted[name]), element.offset, len(element.data))
    for name, elements in found.items():
        if name not in seen:
            raise VL2Error(path, f"has no {name}", expected=" and ".join(wanted), do="Check that it is of this format.")
        elements.close()
    return copy, found


def entries(path: str) -> tuple[str, list[str], Elements]:
    """Return the file to read from, the keys of a JSON object, and its values in their order."""
    copy, names, found = unpacked(path), [], Elements(path)
    with open_file(copy) as file:
        for number, (name, element) in enumerate(members(file, path, whole=True)):
            if element is not None:
                names.append(name)
                found.add(number, element.offset, len(element.data))
    found.close()
    return copy, names, found


def key_of(told: object) -> int:
    """Return a number for an id: numbers as they are, texts of digits as numbers, any other by its hash."""
    if isinstance(told, bool) or not isinstance(told, int | str):
        return -1
    if isinstance(told, str) and told.isascii() and told.isdigit() and len(told) < 19:
        told = int(told)
    if isinstance(told, int) and abs(told) < 1 << 62:
        return told
    digest = hashlib.blake2b(str(told).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def _key_in(element: Element, name: str) -> int:
    told = element.value.get(name) if isinstance(element.value, dict) else None
    if isinstance(told, str) and not told.isascii():  # its bytes were taken for characters
        told = json.loads(element.data.decode("utf-8", "replace"))[name]
    return key_of(told)


def members(file: BinaryIO, path: str, *, whole: bool = False) -> Iterator[tuple[str, Element | None]]:
    """Yield the name and value of each member of a JSON object; of an array, of each of its elements.

    An empty array yields its name and None. `whole`: arrays are not entered. Raises VL2Error on no JSON object.
    """
    window = _Window(file, path)
    window.expect("{")
    while window.next_sign() != "}":
        name = str(json.loads(window.value().data))
        window.expect(":")
        if window.next_sign() != "[" or whole:
            yield name, window.value()
        else:
            window.expect("[")
            if window.next_sign() == "]":
                yield name, None
            while window.next_sign() != "]":
                yield name, window.value()
                window.skip_comma()
            window.expect("]")
        window.skip_comma()


class _Window:
    """The part of a file that is decoded; Latin-1 has one character a byte, so places in it are places in the file."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file, self._path = file, path
        self._decoder = json.JSONDecoder(strict=False)
        self._text, self._offset, self._at = "", 0, 0
        self._fill()
        if self._text.startswith("\xef\xbb\xbf"):
            self._at = 3

    def next_sign(self) -> str:
        """Return the next character that is no space."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                raise self._broken("ends too early")

    def expect(self, sign: str) -> None:
        """Step over one character. Raises VL2Error when it is another one."""
        if self.next_sign() != sign:
            raise self._broken("not a JSON object")
        self._at += 1

    def skip_comma(self) -> None:
        """Step over a comma, if one is next."""
        if self.next_sign() == ",":
            self._at += 1

    def value(self) -> Element:
        """Return the next value, and step over it."""
        self.next_sign()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
                if end < len(self._text) or not self._fill():  # a number may go on
                    break
            except (ValueError, RecursionError):
                if len(self._text) - self._at > MAX_ROW_BYTES or not self._fill():
                    raise self._broken("not JSON, or a value is too long") from None
        offset, text = self._offset + self._at, self._text[self._at : end]
        self._at = end
        return Element(offset, text.encode("latin-1"), value)

    def _fill(self) -> bool:
        more = self._file.read(_CHUNK)
        self._text, self._offset, self._at = self._text[self._at :] + more.decode("latin-1"), self._offset + self._at, 0
        return bool(more)

    def _broken(self, problem: str) -> VL2Error:
        return VL2Error(self._path, problem, got=f"byte {self._offset + self._at}", do="Fetch the file again.")
