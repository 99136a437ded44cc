"""Histogram: the values of one field as a small plot: kept rows, and on top of them those that were rejected later."""

from __future__ import annotations

from html import escape

import numpy as np

from vl2.corpus.look import Fields
from vl2.corpus.spread import MOST_VALUES, Spread

BINS, BAR_WIDTH, PLOT_HEIGHT = 30, 8, 72
ENDS = (0.5, 99.5)  # percentiles; values beyond are drawn in the last bars


def is_constant(fields: Fields) -> bool:
    """Tell whether all rows have the same value."""
    return min(fields.kept.least, fields.rejected.least) == max(fields.kept.most, fields.rejected.most)


def to_svg(name: str, fields: Fields) -> str:
    """Return the plot of a field, with its ends and its median."""
    pairs = [(spread.values(), _weight(spread)) for spread in (fields.kept, fields.rejected)]
    both = np.concatenate([values for values, _ in pairs])
    weights = np.concatenate([np.full(len(values), weight) for values, weight in pairs])
    low, middle, high = _percentiles(both, weights, (ENDS[0], 50.0, ENDS[1]))
    high = high if high > low else low + 1
    counts = [weight * np.histogram(np.clip(values, low, high), BINS, (low, high))[0] for values, weight in pairs]
    scale = PLOT_HEIGHT / max(1.0, float((counts[0] + counts[1]).max()))
    bars = []
    for number, (kept, rejected) in enumerate(zip(*counts, strict=True)):
        top = PLOT_HEIGHT - scale * kept
        bars.append(
            _bar(number, top, scale * kept, "kept") + _bar(number, top - scale * rejected, scale * rejected, "rejected")
        )
    least, most = min(fields.kept.least, fields.rejected.least), max(fields.kept.most, fields.rejected.most)
    told = f"{low:.4g} to {high:.4g}, median {middle:.4g}"
    title = f"{fields.kept.num_values + fields.rejected.num_values:,} rows, {least:.6g} to {most:.6g}"
    return (
        f'<figure class="plot"><svg viewBox="0 0 {BINS * BAR_WIDTH} {PLOT_HEIGHT}" role="img" aria-label="{title}">'
        f"<title>{title}</title>{''.join(bars)}</svg>"
        f"<figcaption>{escape(name)}<br><small>{told}</small></figcaption></figure>"
    )


def _weight(spread: Spread) -> float:
    """Return how many rows each kept value stands for."""
    return spread.num_values / min(max(spread.num_values, 1), MOST_VALUES)


def _percentiles(values: np.ndarray, weights: np.ndarray, wanted: tuple[float, ...]) -> list[float]:
    """Return percentiles of weighted values, as values that occur."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    places = np.searchsorted(reached, np.array(wanted) / 100 * reached[-1])
    return [float(value) for value in values[order][np.minimum(places, len(values) - 1)]]


def _bar(number: int, top: float, height: float, kind: str) -> str:
    if height <= 0:
        return ""
    return (
        f'<rect class="{kind}" x="{number * BAR_WIDTH}" y="{top:.1f}" width="{BAR_WIDTH - 1}" height="{height:.1f}"/>'
    )
