"""Report of a run: one self-contained page of its curves."""

from __future__ import annotations

import os
from pathlib import Path

from vl2.core.errors import VL2Error
from vl2.train.watch.report.history import read_history
from vl2.train.watch.report.page import to_page

ENDING = ".html"


def write_report(run: Path, out: Path) -> Path:
    """Write the page of a run's folder. Raises VL2Error when there is no log, or `out` is no page."""
    if out.suffix != ENDING:
        raise VL2Error(str(out), "not a page", expected=ENDING, do="Name it report.html.")
    page = to_page(read_history(run))
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.name}.{os.getpid()}.incomplete")  # no reader sees half of it
    part.write_bytes(page.encode("utf-8", "replace"))
    part.replace(out)
    return out
