"""Plot choice: which ways fit a chart."""

from __future__ import annotations

from statistics import median

from vl2.corpus.drawing.chart.data import Chart
from vl2.corpus.drawing.plot.data import width_of
from vl2.corpus.drawing.plot.series import (
    draw_grouped_bars,
    draw_heat_map,
    draw_lines,
    draw_radar,
    draw_small_plots,
    draw_stacked_areas,
    draw_stacked_bars,
)
from vl2.corpus.drawing.plot.spread import draw_boxes, draw_error_bars, draw_points, draw_points_and_counts
from vl2.corpus.drawing.plot.ways import Way, draw_bars, draw_line, draw_lollipops, draw_lying_bars, draw_pie

MOST_BARS = 16
LONGEST_OF_PIE = 13  # Latin letters beside a slice; longer names are cut at the edge of the figure
MOST_SPREAD = 6.0  # the largest value in medians, of plots that show how values spread


def ways_of(chart: Chart) -> list[Way]:
    """Return the ways that fit a chart; one that shows it best stands in there more often."""
    few = len(chart.names) <= MOST_BARS
    if chart.kind == "scatter":
        return [draw_points, draw_points, draw_boxes, draw_error_bars] if len(chart.series) > 1 else [
            draw_points, draw_points_and_counts]  # fmt: skip
    if chart.kind == "pie":
        is_short = max(map(width_of, chart.names)) <= LONGEST_OF_PIE
        return [draw_pie, draw_pie, draw_pie, draw_lying_bars] if is_short else [draw_lying_bars]
    if len(chart.series) == 1:
        if chart.kind == "histogram":
            return [draw_bars]
        if chart.kind in ("lines", "area"):
            return [draw_line, draw_line, *([draw_bars] if few else [])]
        flat = [draw_bars, draw_bars, *([] if chart.is_time else [draw_lying_bars, draw_lying_bars])]
        return [*flat, draw_lollipops, *([draw_line, draw_line] if chart.is_time else [])]
    return _ways_of_series(chart)


def _ways_of_series(chart: Chart) -> list[Way]:
    few = len(chart.names) <= MOST_BARS
    ways: list[Way] = [draw_lines, draw_lines, draw_small_plots] if chart.is_time else []
    ways += [draw_heat_map] if few else []
    ways += [draw_stacked_areas, draw_stacked_areas] if chart.kind == "area" else []
    ways += [draw_stacked_bars, draw_stacked_bars] if chart.kind == "stacked" and few else []
    ways += [draw_grouped_bars, draw_grouped_bars] if chart.kind == "grouped" and len(chart.names) <= 8 else []
    is_even = min(min(one.values) for one in chart.series) >= 0 and max(map(width_of, chart.names)) <= 14
    ways += [draw_radar] if not chart.is_time and 4 <= len(chart.names) <= 8 and is_even else []
    largest, middle = (
        max(max(one.values) for one in chart.series),
        median(v for one in chart.series for v in one.values),
    )
    is_close = largest < MOST_SPREAD * abs(middle)  # else one value leaves no room for the others
    is_close &= not chart.y_name.startswith(("Value", "数值"))  # of several measures beside each other
    ways += [draw_boxes, draw_error_bars] if len(chart.names) >= 6 and chart.kind == "lines" and is_close else []
    return ways or [draw_heat_map]
