"""Timeline: a simulated step as an SVG, one row a process, one bar a pass."""

from __future__ import annotations

import math
from html import escape

from vl2.train.planning.estimate import Estimate
from vl2.train.planning.passes import OpKind
from vl2.train.planning.simulate import Span

WIDTH, ROW, GAP, LEFT, TOP, BOTTOM = 1600, 30, 6, 90, 74, 44  # pixels
LABEL_FROM = 17  # pixels: narrower bars carry no number
LATER_OPACITY = 0.62  # of passes through a process's second stage and later ones
KINDS: tuple[tuple[OpKind, str, str], ...] = (  # colour and meaning
    ("forward", "#3b76c4", "forward"),
    ("backward", "#d9812f", "backward"),
    ("input", "#d9a92f", "backward of inputs"),
    ("weight", "#5b9a59", "backward of weights"),
)
COLOURS = {kind: colour for kind, colour, _ in KINDS}


def draw_timeline(found: Estimate) -> str:
    """Return the SVG of an estimate's step. A long step shows its begin and end, as it was simulated."""
    rows = found.simulation.spans
    end = max(span.end for row in rows for span in row)
    height = TOP + len(rows) * (ROW + GAP) + BOTTOM
    pixels = (WIDTH - LEFT - 20) / end
    body = [piece for rank, row in enumerate(rows) for piece in _row(rank, row, found.layout.pp, pixels)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            *_heading(found),
            *body,
            *_axis(end, pixels, height - BOTTOM + 4),
            "</svg>\n",
        ]
    )


def _heading(found: Estimate) -> list[str]:
    job, layout = found.job, found.layout
    drawn = 1 + max(span.op.microbatch for row in found.simulation.spans for span in row)
    count = layout.num_microbatches(job.row)
    shown = f"{count} microbatches" if drawn == count else f"{drawn} of {count} microbatches"
    title = f"{job.row.variant} {job.row.stage}, {layout.world_size} x {job.machine.name}: {layout}"
    facts = f"{shown}, bubble {found.simulation.bubble:.1%}, costliest stage {found.stages.imbalance:.2f} of the mean"
    pieces = [
        f'<text x="{LEFT}" y="22" font-size="15" fill="#222222">{escape(title)}</text>',
        f'<text x="{LEFT}" y="42" fill="#555555">{escape(facts)}</text>',
    ]
    x = LEFT
    present = {span.op.kind for row in found.simulation.spans for span in row}
    for _, colour, meaning in (row for row in KINDS if row[0] in present):
        pieces += [
            f'<rect x="{x}" y="52" width="12" height="12" fill="{colour}"/>',
            f'<text x="{x + 17}" y="62" fill="#333333">{meaning}</text>',
        ]
        x += 30 + 7 * len(meaning)
    return pieces


def _row(rank: int, spans: list[Span], pp: int, pixels: float) -> list[str]:
    y = TOP + rank * (ROW + GAP)
    width = spans[-1].end * pixels
    pieces = [
        f'<text x="{LEFT - 10}" y="{y + ROW / 2 + 4}" text-anchor="end" fill="#333333">process {rank}</text>',
        f'<rect x="{LEFT}" y="{y}" width="{width:.2f}" height="{ROW}" fill="#eeeeee"/>',
    ]
    for span in spans:
        x, long = LEFT + span.start * pixels, (span.end - span.start) * pixels
        opacity = 1 if span.op.stage < pp else LATER_OPACITY
        pieces.append(
            f'<rect x="{x:.2f}" y="{y}" width="{long:.2f}" height="{ROW}" fill="{COLOURS[span.op.kind]}" '
            f'fill-opacity="{opacity}" stroke="#ffffff" stroke-width="0.5"/>'
        )
        if long >= LABEL_FROM:
            pieces.append(
                f'<text x="{x + long / 2:.2f}" y="{y + ROW / 2 + 4}" text-anchor="middle" fill="#ffffff" '
                f'font-size="11">{span.op.microbatch}</text>'
            )
    return pieces


def _axis(end: float, pixels: float, y: float) -> list[str]:
    step = _tick(end)
    ticks = [number * step for number in range(int(end / step) + 1)]
    return [
        f'<text x="{LEFT + tick * pixels:.2f}" y="{y + 16}" text-anchor="middle" fill="#555555">{tick:g} s</text>'
        for tick in ticks
    ]


def _tick(end: float) -> float:
    """Return a round number of seconds of which about ten make the whole."""
    size = 10.0 ** math.floor(math.log10(end / 10))
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor * 12 >= end)
