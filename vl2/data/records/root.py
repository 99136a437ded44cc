"""Root: the folder or URL that image paths in rows are relative to, and that they may not leave."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from vl2.core.sample import ImageSource
from vl2.data.faults import RowError
from vl2.data.records.files import is_url, open_file
from vl2.processor.images import DEFAULT_LIMITS


class Root:
    """Turn what a row says of an image into an image that is not decoded yet."""

    def __init__(self, location: str) -> None:
        self.location = location if is_url(location) else str(Path(location).resolve())

    def image(self, told: object) -> ImageSource:
        """Return the image of a path, of encoded bytes, or of a mapping with `bytes` or `path`.

        Raises RowError when it is none of these or leaves the root.
        """
        if isinstance(told, Mapping):
            data = told.get("bytes")
            told = told.get("path") if data is None else data
        if isinstance(told, bytes | bytearray):
            if len(told) > DEFAULT_LIMITS.max_bytes:
                raise RowError("an image is too large", got=len(told), expected=f"at most {DEFAULT_LIMITS.max_bytes}")
            return ImageSource(data=bytes(told))
        if not isinstance(told, str) or not told.strip():
            raise RowError("an image is neither a path nor bytes", got=type(told).__name__)
        return self._remote(told) if is_url(self.location) else self._local(told)

    def images(self, told: Any) -> tuple[ImageSource, ...]:
        """Return the images of a list, of one image, or of nothing."""
        if told is None or told == "":
            return ()
        return tuple(self.image(one) for one in (told if isinstance(told, list | tuple) else [told]))

    def _local(self, name: str) -> ImageSource:
        _refuse_address(name)
        path = (Path(self.location) / name.replace("\\", "/")).resolve()  # follows links: they may not leave either
        if not path.is_relative_to(self.location):
            raise RowError("an image path leaves its root", got=repr(name[:80]))
        return ImageSource(path=str(path))

    def _remote(self, name: str) -> ImageSource:
        _refuse_address(name)
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise RowError("an image path leaves its root", got=repr(name[:80]))
        with open_file(f"{self.location.rstrip('/')}/{path}") as file:
            return self.image(file.read(DEFAULT_LIMITS.max_bytes + 1))


def _refuse_address(name: str) -> None:
    """Refuse what another program would read as more than a path."""
    if is_url(name) or "::" in name or name.startswith("data:"):
        raise RowError("an image is an address; only paths are read", got=repr(name[:80]))
    if "\0" in name or PureWindowsPath(name).drive:
        raise RowError("an image path leaves its root", got=repr(name[:80]))
