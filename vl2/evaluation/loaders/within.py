"""Paths that data files name: below the folder of the file, and nowhere else."""

from __future__ import annotations

from pathlib import Path

from vl2.core.errors import VL2Error


def inside(folder: Path, name: str) -> Path:
    """Return the path of a name within a folder. Raises VL2Error when it leads out of it, or is no path.

    Released files name images from where their harness ran: `data/coco/1.jpg` in `data/refcoco/rows.jsonl`. So a name
    that begins with one of the folders above is looked for there too, and may not leave that one.
    """
    try:
        folder = folder.resolve()
        path = _within(folder, folder / name)
        first = Path(name).parts[:1]
        if path is None or not path.exists():
            roots = (above for above in (folder, *folder.parents) if (above.name,) == first)
            found = (_within(root, root.parent / name) for root in roots)
            path = next((there for there in found if there is not None and there.exists()), path)
    except (OSError, ValueError, RuntimeError) as error:  # a zero byte, a name too long, links in a circle
        raise VL2Error("image path", f"is none: {type(error).__name__}", got=ascii(name)[:80]) from None
    if path is None:
        raise VL2Error("image path", "leads out of the folder of its file", got=ascii(name)[:80])
    return path


def _within(folder: Path, path: Path) -> Path | None:
    path = path.resolve()  # follows links: they may not leave either
    return path if path.is_relative_to(folder) else None
