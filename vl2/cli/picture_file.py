"""Write a picture whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection
from pathlib import Path

from vl2.core.errors import VL2Error, nearest


def check_writable(path: Path, endings: Collection[str]) -> None:
    """Raise VL2Error when a picture cannot be written there; asked before a model is loaded."""
    suffix = path.suffix.lower()
    if suffix not in endings:
        raise VL2Error(
            str(path), "unknown kind of picture", got=suffix or "no ending", expected=", ".join(endings),
            do=nearest(suffix, endings),
        )  # fmt: skip
    if path.is_dir():
        raise VL2Error(str(path), "is a folder", do="Name a file in it.")
    if not path.parent.is_dir():
        raise VL2Error(str(path.parent), "no such folder", do="Make it first.")
    try:  # rights alone do not tell: the disk may be read-only
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        reason = f"cannot be written to: {error.strerror}"
        raise VL2Error(str(path.parent), reason, do="Choose another folder.") from None


def write_file(path: Path, data: bytes) -> None:
    """Write to a file beside `path`, then rename it. Raises VL2Error."""
    draft = None
    try:
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(draft).chmod(0o644)  # mkstemp makes it private
        Path(draft).replace(path)
        draft = None
    except OSError as error:
        raise VL2Error(str(path), f"cannot be written: {error.strerror or error}", do="Free some space.") from None
    finally:
        if draft is not None:
            Path(draft).unlink(missing_ok=True)
