"""Files of records, on disk or behind a URL, and how much of them is ever read at once."""

from __future__ import annotations

import atexit
import gzip
import os
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

from vl2.core.errors import VL2Error
from vl2.data.records.prepared import drop_lists, energon_shards, is_energon

MAX_ROW_BYTES = 16 << 20  # one record as JSON
MAX_PIECE_BYTES = 512 << 20  # rows that can only be read together, as in Parquet
MAX_UNPACKED_BYTES = 64 << 30  # of a compressed file, on disk
MOST_UNPACKED = 200  # times the compressed size; JSON shrinks to a twentieth, an attack to a thousandth
_CHUNK = 1 << 20
_ENDINGS = (".jsonl", ".ndjson", ".json", ".parquet", ".tar", ".mds")
_PACKED = (".gz", ".tgz")


def is_file(path: str | Path) -> bool:
    """Tell whether a file is there; it is not under a name that no file can have."""
    return _is_there(path, Path.is_file)


def _is_there(path: str | Path, is_kind: Callable[[Path], bool]) -> bool:
    try:
        return is_kind(Path(path))
    except (OSError, ValueError):  # too long, or with a null byte
        return False


def is_url(path: str) -> bool:
    """Tell whether fsspec opens this rather than the file system."""
    return "://" in path


def open_file(path: str) -> BinaryIO:
    """Open a file for reading at any place. Raises VL2Error when it cannot be."""
    try:
        if is_url(path):
            return cast(BinaryIO, _fsspec(path).open(path, "rb").open())
        return Path(path).open("rb")
    except (OSError, ValueError, ImportError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be opened: {str(error)[:120]}"
        raise VL2Error(path, reason, do="Check the path.") from None


def find_files(path: str) -> list[str]:
    """Return the files of records that a file, a folder, a pattern or a URL of these names, sorted.

    A folder without any may be one of folders, as a drawn corpus is. Raises VL2Error when there is none.
    """
    if is_url(path):
        found = _find_remote(path)
    elif is_file(path):
        found = [path]
    elif _is_there(path, Path.is_dir):
        found = _in_folder(Path(path)) or [file for folder in Path(path).iterdir() for file in _in_folder(folder)]
    elif any(sign in path for sign in "*?["):
        found = [str(file) for file in Path().glob(path)] if not Path(path).is_absolute() else _glob_absolute(path)
    else:
        found = []
    if not found:
        raise VL2Error(path, "no records here", expected=", ".join(_ENDINGS), do="Check the path.")
    return sorted(found)


def kind_of(name: str) -> str | None:
    """Return the ending that tells a file's format, compression aside; None when it is none of ours."""
    name = name.lower()
    if name.endswith(".tgz"):
        return ".tar"
    return next((ending for ending in _ENDINGS if name.removesuffix(".gz").endswith(ending)), None)


def unpacked(path: str) -> str:
    """Return the path, or that of a decompressed copy: rows are read at any place, and gzip knows no places.

    The copy is removed when the process ends. Raises VL2Error on a broken or endless file.
    """
    if not path.lower().endswith(_PACKED):
        return path
    handle, copy = tempfile.mkstemp(prefix="vl2-", suffix=kind_of(path))
    atexit.register(Path(copy).unlink, missing_ok=True)
    num_bytes = 0
    with open_file(path) as packed, os.fdopen(handle, "wb") as out:
        limit = min(MAX_UNPACKED_BYTES, MOST_UNPACKED * packed.seek(0, os.SEEK_END) + _CHUNK)
        packed.seek(0)
        try:
            with gzip.GzipFile(fileobj=packed) as stream:
                while chunk := stream.read(_CHUNK):
                    num_bytes += len(chunk)
                    if num_bytes > limit:
                        raise VL2Error(path, "unpacks to too much", expected=f"at most {limit} bytes")
                    out.write(chunk)
        except (OSError, EOFError, zlib.error) as error:
            raise VL2Error(path, f"cannot be decompressed: {str(error)[:80]}", do="Fetch the file again.") from None
    return copy


def _in_folder(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    if is_energon(folder):
        return list(map(str, energon_shards(folder)))
    found = [file for file in folder.iterdir() if kind_of(file.name) is not None and file.is_file()]
    return list(map(str, drop_lists(found)))


def _glob_absolute(path: str) -> list[str]:
    anchor = Path(Path(path).anchor)
    return [str(file) for file in anchor.glob(str(Path(path).relative_to(anchor)))]


def _find_remote(path: str) -> list[str]:
    fsspec = _fsspec(path)
    files, inside = fsspec.core.url_to_fs(path)
    if any(sign in inside for sign in "*?["):
        found = files.glob(inside)
    elif files.isdir(inside):
        found = [name for name in files.ls(inside, detail=False) if kind_of(name) is not None]
    else:
        found = [inside] if files.isfile(inside) else []
    return [files.unstrip_protocol(name) for name in found]


def _fsspec(path: str) -> Any:
    try:
        import fsspec
    except ImportError:
        raise VL2Error(path, "a URL needs fsspec", do="Run `pip install fsspec`.") from None
    return fsspec
