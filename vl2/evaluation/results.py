"""Results: what scoring leaves in the folder of a run, and reading it again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vl2.core.errors import VL2Error
from vl2.core.settings import build, load_json
from vl2.evaluation.log import read_lines, to_line, write_whole
from vl2.evaluation.summary import ScoredLine, Summary
from vl2.evaluation.task import Count

SUMMARY, SCORES, COUNTS = "summary.json", "scores.jsonl", "counts.jsonl"


@dataclass(frozen=True, kw_only=True)
class Results:
    """A summary, its lines, and the counts that its headline is made of."""

    summary: Summary
    scale: float
    lines: Sequence[ScoredLine]
    counts: Sequence[Count]


def write_results(folder: Path, results: Results) -> None:
    """Write summary.json, scores.jsonl and counts.jsonl, each at once; the summary comes last."""
    head = to_line({"scale": results.scale})
    write_whole(folder / COUNTS, head + b"".join(to_line(asdict(count)) for count in results.counts))
    write_whole(folder / SCORES, b"".join(to_line(asdict(line)) for line in results.lines))
    write_whole(
        folder / SUMMARY, (json.dumps(asdict(results.summary), indent=2) + "\n").encode()
    )  # fmt: skip


def read_results(folder: Path) -> Results:
    """Read what `write_results` wrote. Raises VL2Error."""
    if not (folder / SUMMARY).is_file():
        raise VL2Error(str(folder), f"holds no {SUMMARY}", do="Give the folder of one task of a run: OUT/TASK.")
    head, *counts = read_lines(folder / COUNTS)
    if not isinstance(head.get("scale"), int | float):
        raise VL2Error(str(folder / COUNTS), "has no scale in its first line", do="Run `vl2 eval score` again.")
    return Results(
        summary=build(Summary, load_json(folder / SUMMARY), thing=SUMMARY),
        scale=float(head["scale"]),
        lines=[build(ScoredLine, line, thing=SCORES) for line in read_lines(folder / SCORES)],
        counts=[build(Count, line, thing=COUNTS) for line in counts],
    )
