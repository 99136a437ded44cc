"""Report: one page of runs, self-contained, and the same in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vl2.core.errors import VL2Error
from vl2.evaluation.log import write_whole
from vl2.evaluation.report.markdown import to_markdown
from vl2.evaluation.report.page import to_page
from vl2.evaluation.results import read_results

ENDINGS = (".html", ".md")


def write_report(folders: Sequence[Path], out: Path) -> None:
    """Write the page of these folders, each one task of a run, and its Markdown beside it. Raises VL2Error."""
    if out.suffix not in ENDINGS:
        raise VL2Error(str(out), "not a page", expected=" or ".join(ENDINGS), do="Name it report.html.")
    runs = [read_results(folder) for folder in folders]
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out.with_suffix(".md"), to_markdown(runs).encode())
    if out.suffix == ".html":
        write_whole(out, to_page(runs).encode())
