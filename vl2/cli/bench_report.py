"""What a run of the bench found: a table, JSON with every sample, a picture."""

from __future__ import annotations

import io
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vl2
from vl2.cli.bench_measure import median_and_spread
from vl2.cli.bench_run import BenchSettings, Results, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.table import Table

FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8", "asimd", "bf16", "i8mm")
BUSY_CORES = 0.08  # used by others: above this a figure says more about them
WIDEST = 1000  # columns of text
FEW_PAGES = 100  # 0.4 MB: code that was not needed before
OWN_COLOR, RIVAL_COLOR = "#0072b2", "#b0b0b0"


@dataclass(frozen=True)
class Spread:
    """A median, the least and the greatest sample."""

    median: float
    least: float
    greatest: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One row in figures; `ratio` is how many times faster than the rival, pair by pair."""

    own: Spread
    rival: Spread | None
    ratio: Spread | None
    share_of_limit: float | None  # decoding: of the memory's speed in the same rounds; vision: of bf16 products
    others: float | None  # cores that other processes kept busy


def summarise(row: Row) -> Summary:
    """Reduce the samples of a row."""
    measure = row.measure
    own = [measure.figure(sample.seconds) for sample in row.samples]
    rival = [measure.figure(sample.seconds) for sample in row.rival_samples]
    ratio = [b.seconds / a.seconds for a, b in zip(row.samples, row.rival_samples, strict=False)]
    others = [s.others for s in (*row.samples, *row.rival_samples) if s.others is not None]
    return Summary(
        own=_spread(own),
        rival=_spread(rival) if rival else None,
        ratio=_spread(ratio) if ratio else None,
        share_of_limit=_share_of_limit(row),
        others=_spread(others).median if others else None,
    )


def to_table(results: Results) -> Table:
    """Return the rows as a table: median, and least to greatest in brackets."""
    from rich.console import Console
    from rich.table import Table

    title = f"{results.settings.preset}, {results.settings.threads} threads"
    table = Table("", "precision", "figure", "", "rival", "figure", "ratio", "of limit", "path", title=title, box=None)
    for row in results.rows:
        found = summarise(row)
        table.add_row(
            str(row.measure), row.precision, _shown(found.own), row.measure.unit, row.rival or "",
            _shown(found.rival) if found.rival else "", _shown(found.ratio) if found.ratio else "",
            f"{found.share_of_limit:.0%}" if found.share_of_limit is not None else "", row.path,
        )  # fmt: skip
    table.width = Console(width=WIDEST).measure(table).maximum  # not the terminal's: a piped table is not folded
    return table


def remarks(results: Results) -> list[str]:
    """Return the limits of the machine, and a warning when others used it."""
    gbps = [value for row in results.rows for value in row.read_gbps]
    lines = [
        f"Memory is read at {_shown(_spread(gbps))} GB/s; bf16 products run at "
        f"{_shown(_spread(results.matmul_gflops))} GFLOP/s."
    ]
    lines += _of_one(results)
    busy = [str(row.measure) for row in results.rows if (summarise(row).others or 0) > BUSY_CORES]
    if busy:
        lines.append(
            f"Other processes used more than {BUSY_CORES:.0%} of a core in {len(busy)} of {len(results.rows)} rows: "
            "measure again on a quiet machine."
        )
    short = [row for row in results.rows if _disk_reads(row) > FEW_PAGES]
    if short:
        lines.append(f"Pages came back from disk in {len(short)} rows: free memory and measure again.")
    return lines


def to_dict(results: Results) -> dict[str, Any]:
    """Return everything as JSON values."""
    import torch

    return {
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": _machine(),
        "versions": {
            "vl2": vl2.__version__, "torch": torch.__version__, "python": platform.python_version(),
        } | results.versions,
        "settings": _plain(results.settings),
        "read_path": results.read_path,
        "matmul_gflops": results.matmul_gflops,
        "rows": [_row_to_dict(row) for row in results.rows],
    }  # fmt: skip


def to_png(results: Results) -> bytes:
    """Draw one panel a kind of work: own figures beside the rivals'."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    titles = {"decode": "decode, tokens/s", "prefill": "prefill, tokens/s", "vision": "vision, seconds a tile"}
    kinds = [kind for kind in titles if any(row.measure.what == kind for row in results.rows)]
    heights = [sum(row.measure.what == kind for row in results.rows) + 1 for kind in kinds]
    figure, panels = pyplot.subplots(
        len(kinds), 1, figsize=(9, 1 + 0.42 * sum(heights)), layout="constrained", squeeze=False, height_ratios=heights
    )
    for panel, kind in zip(panels[:, 0], kinds, strict=True):
        _draw(panel, [row for row in results.rows if row.measure.what == kind])
        panel.set_title(titles[kind], fontsize=10, loc="left")
    figure.suptitle(f"{results.settings.preset}, {_machine()['cpu']}, {results.settings.threads} threads", fontsize=10)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    pyplot.close(figure)
    return stream.getvalue()


def _draw(panel: Axes, rows: list[Row]) -> None:
    names: list[str] = []
    for place, row in enumerate(rows):
        found = summarise(row)
        bars = [(found.own, "vl2", OWN_COLOR)]
        if found.rival and row.rival:
            bars.append((found.rival, row.rival, RIVAL_COLOR))
        for number, (spread, name, color) in enumerate(bars):
            y = place + 0.4 * number - 0.2 * (len(bars) - 1)
            error = [[spread.median - spread.least], [spread.greatest - spread.median]]
            panel.barh(y, spread.median, 0.36, xerr=error, color=color, error_kw={"linewidth": 0.8})
            panel.annotate(
                f"{name} {_digits(spread.median)}", (spread.greatest, y), (4, 0), textcoords="offset points",
                fontsize=7, va="center",
            )  # fmt: skip
        names.append(f"{row.measure}, {row.precision}")
    panel.set_yticks(range(len(rows)), names, fontsize=8)
    panel.invert_yaxis()
    panel.margins(x=0.2)
    panel.tick_params(axis="x", labelsize=8)


def _row_to_dict(row: Row) -> dict[str, Any]:
    return asdict(row) | {"unit": row.measure.unit, "summary": asdict(summarise(row))}


def _share_of_limit(row: Row) -> float | None:
    steps = [row.measure.amount / sample.seconds for sample in row.samples]  # of decoding, or tiles
    if row.read_bytes is not None:
        return _spread([row.read_bytes * rate / 1e9 / g for rate, g in zip(steps, row.read_gbps, strict=True)]).median
    if row.operations is not None:
        return _spread(steps).median * row.operations / 1e9 / _spread(row.matmul_gflops).median
    return None


def _of_one(results: Results) -> list[str]:
    """Say how many times the tokens of one sequence several give, and how many the bytes they read allow."""
    decoded = [row for row in results.rows if row.measure.what == "decode"]
    alone = {(row.precision, row.measure.context): row for row in decoded if row.measure.batch == 1}
    lines: list[str] = []
    for row in decoded:
        one = alone.get((row.precision, row.measure.context))
        if row.measure.batch == 1 or one is None or not row.read_bytes or not one.read_bytes:
            continue
        found, single = (summarise(r).own.median for r in (row, one))
        allowed = row.measure.batch * one.read_bytes / row.read_bytes
        lines.append(
            f"{row.measure}, {row.precision}: {found / single:.2f} times the tokens of one; the bytes allow "
            f"{allowed:.2f}."
        )
    return lines


def _disk_reads(row: Row) -> int:
    return max(sample.disk_reads for sample in (*row.samples, *row.rival_samples))


def _plain(settings: BenchSettings) -> dict[str, Any]:
    """Return settings without the places where things lie on this machine."""
    values = asdict(settings)
    values["folder"] = settings.folder.name if settings.folder else None
    del values["peer_python"], values["peer_folder"]
    return values


def _machine() -> dict[str, Any]:
    lines = _lines(Path("/proc/cpuinfo"))
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    flags = (facts.get("flags") or facts.get("Features") or "").split()
    memory = next((line.split()[1] for line in _lines(Path("/proc/meminfo")) if line.startswith("MemTotal")), None)
    return {
        "cpu": facts.get("model name") or platform.processor() or platform.machine(),
        "family": facts.get("cpu family"), "model": facts.get("model"), "cores": os.cpu_count(),
        "flags": [flag for flag in FLAGS if flag in flags],
        "memory_gb": round(int(memory) * 1024 / 1e9, 1) if memory else None,
        "system": platform.system(),
    }  # fmt: skip


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _spread(figures: list[float]) -> Spread:
    return Spread(*median_and_spread(figures))


def _shown(spread: Spread) -> str:
    return f"{_digits(spread.median)} [{_digits(spread.least)} .. {_digits(spread.greatest)}]"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
