"""Pictures: where the images of a source lie: a folder or a URL, or a zip archive that is read without unpacking it."""

from __future__ import annotations

import hashlib
import stat
import zipfile
import zlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource
from vl2.data.faults import RowError
from vl2.data.records.files import is_file, is_url, open_file
from vl2.data.records.root import Root
from vl2.processor.images import DEFAULT_LIMITS

SUFFIXES = (".jpg", ".png", ".webp", ".gif", ".jpeg", ".bmp", ".tif", ".tiff", ".avif")
MOST_MEMBERS = 1 << 22
_GZIP = 31  # zlib: a gzip header before its largest window
MAX_FILE_BYTES = 64 << 20  # of a document


class Pictures:
    """Turn what a row says of an image into an image that is not decoded yet."""

    def __init__(self, location: str) -> None:
        self.location = location
        self._root = None if location.lower().endswith(".zip") else Root(location)
        self._folder = None if self._root is None or is_url(location) else Path(location)

    def image(self, told: object) -> ImageSource:
        """Return the image of a path, of encoded bytes, or of a mapping with `bytes` or `path`.

        Raises RowError when it is none of these, when it leaves its folder, or when an archive does not hold it.
        """
        if self._root is not None:
            return self._root.image(told)
        if isinstance(told, dict):
            told = told.get("bytes") or told.get("path")
        if isinstance(told, bytes):
            return Root(".").image(told)
        if not isinstance(told, str):
            raise RowError("an image is neither a path nor bytes", got=type(told).__name__)
        return ImageSource(data=self._archive.read(told))

    def images(self, told: object) -> tuple[ImageSource, ...]:
        """Return the images of a list, of one image, or of nothing."""
        if told is None or told == "":
            return ()
        return tuple(self.image(one) for one in (told if isinstance(told, list | tuple) else [told]))

    def read(self, name: str, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        """Return the content of another file that lies there. Raises RowError when it is not there or too large."""
        if self._root is None:
            return self._archive.read(name, max_bytes)
        path = Path(self._root.image(name).path or "")
        try:
            if not path.is_file() or path.stat().st_size > max_bytes:
                raise RowError("a file is not there, or too large")
            return path.read_bytes()
        except OSError:
            raise RowError("a file cannot be read") from None

    def read_text(self, name: str, max_bytes: int) -> str:
        """Return the text of a file, unpacked when it ends in .gz. Raises RowError as `read`."""
        data = self.read(name, max_bytes)
        if name.lower().endswith(".gz"):
            try:
                data = zlib.decompressobj(wbits=_GZIP).decompress(data, max_bytes + 1)
            except zlib.error:
                raise RowError("a file that cannot be decompressed") from None
            if len(data) > max_bytes:
                raise RowError("a file unpacks to too much", expected=f"at most {max_bytes} bytes")
        return data.decode("utf-8-sig", "replace")

    def first_of(self, names: Iterable[str]) -> ImageSource:
        """Return the image under the first name that exists; where none does, under the first, which then is missing.

        Raises RowError on a name that leaves the folder.
        """
        told = list(names)
        for name in told:
            if self._may_hold(name):
                try:
                    return self.image(name)
                except RowError:
                    raise
                except VL2Error:  # behind a URL, what is not there cannot be opened
                    continue
        if self._folder is None:
            raise MissingPictureError()
        return self.image(told[0])

    def _may_hold(self, name: str) -> bool:
        """Tell whether a name may be there, at less than what it costs to find out that it leads nowhere else."""
        if self._root is None:
            return name in self._archive.members
        return self._folder is None or is_file(self._folder / name.replace("\\", "/"))

    def of_address(self, url: str, *more: str) -> ImageSource:
        """Return the image that was fetched from an address before: nothing is fetched here.

        It lies under its name of `more`, or under the SHA-256 of its address, with the ending of an image.
        """
        digest = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
        names = [f"{folder}{name}{suffix}" for name in (*more, digest) if name
                 for folder in ("", f"{name[:5]}/", f"{name[:2]}/") for suffix in SUFFIXES]  # fmt: skip
        return self.first_of(names)

    @cached_property
    def _archive(self) -> Archive:
        return Archive(self.location)

    def __reduce__(self) -> tuple[type[Pictures], tuple[str]]:
        return Pictures, (self.location,)  # open files do not travel


class MissingPictureError(RowError):
    """An archive, or a folder behind a URL, without the picture that a row names."""

    def __init__(self) -> None:
        super().__init__("an image is not there")


class Archive:
    """A zip archive. Members are read into memory within limits; none is unpacked, so no name can lead anywhere."""

    def __init__(self, path: str) -> None:
        try:
            self._zip = zipfile.ZipFile(cast(BinaryIO, open_file(path)))
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise VL2Error(path, f"not a zip archive: {str(error)[:80]}", do="Fetch the file again.") from None
        members = self._zip.infolist()
        if len(members) > MOST_MEMBERS:
            raise VL2Error(path, "too many members", got=len(members), expected=f"at most {MOST_MEMBERS}")
        self.members = {member.filename: member for member in members}

    def read(self, name: str, max_bytes: int = DEFAULT_LIMITS.max_bytes) -> bytes:
        """Return a member. Raises RowError on a link, an encrypted or damaged member, and on one that is too large."""
        member = self.members.get(name)
        if member is None:
            raise MissingPictureError()
        if stat.S_ISLNK(member.external_attr >> 16):
            raise RowError("a link in the archive")
        if member.flag_bits & 1:
            raise RowError("an encrypted member of an archive")
        if member.file_size > max_bytes:
            raise RowError("a member of an archive is too large", got=member.file_size, expected=max_bytes)
        try:
            with self._zip.open(member) as file:
                data = file.read(max_bytes + 1)  # what its header claims is not believed
        except (zipfile.BadZipFile, OSError, ValueError, EOFError, RuntimeError, NotImplementedError, zlib.error):
            raise RowError("a damaged member of an archive") from None
        if len(data) > max_bytes:
            raise RowError("a member of an archive is too large", expected=max_bytes)
        return data


def basename(address: str) -> str:
    """Return the last part of a path or an address without its ending; empty when it has none."""
    path = address.partition("?")[0].partition("#")[0] if is_url(address) else address
    return PurePosixPath(path.replace("\\", "/")).stem


def folder_of(path: str) -> str:
    """Return where the images of a file lie when nothing else is said."""
    if is_url(path):
        return path.rpartition("/")[0]
    place = Path(path)
    if any(sign in path for sign in "*?["):
        return str(next(parent for parent in place.parents if not any(sign in str(parent) for sign in "*?[")))
    return str(place if place.is_dir() else place.parent)
