"""Plots: drawing bars, lines and pies with exact boxes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageDraw

from vl2.corpus.pocket.canvas import RGB, Picture
from vl2.corpus.pocket.figures import jitter
from vl2.corpus.pocket.lettering import SMALLEST_SIZE, Style, line_metrics, measure, write

EDGE = 2
OVERSAMPLING = 3


@dataclass(frozen=True)
class Chart:
    """What a chart shows; `top` is the value at the end of its axis."""

    form: str
    labels: tuple[str, ...]
    values: tuple[int, ...]
    colours: tuple[str, ...]
    printed: bool
    top: int

    def value_text(self, k: int) -> str:
        """Return value `k` as it is printed."""
        return f"{self.values[k]}%" if self.form == "pie" else str(self.values[k])


@dataclass(frozen=True)
class Frame:
    """The plotting area in pixels: the axis runs from `zero` to `end`."""

    left: int
    top: int
    right: int
    bottom: int


def labels_fit(width: int, chart: Chart, style: Style) -> bool:
    """Tell whether labels and values stay apart below and above upright bars at the smallest size."""
    if chart.form not in ("bar", "line"):
        return True
    smallest = Style(style.face, SMALLEST_SIZE, style.colour)
    texts = [*chart.labels, *(chart.value_text(k) for k in range(len(chart.values)) if chart.printed)]
    return max(measure(text, smallest).advance for text in texts) <= _room_per_label(width, chart, smallest)


def draw_bars(picture: Picture, chart: Chart, style: Style, rng: random.Random) -> None:
    """Draw upright bars with labels below, and values above or ticks at the left."""
    style = _fitting(chart.labels, style, _room_per_label(picture.width, chart, style))
    frame = _upright_frame(picture, chart, style)
    slot = (frame.right - frame.left) / len(chart.values)
    thick = max(5, round(slot * rng.uniform(0.5, 0.85)))
    shades = _shades(rng, chart)
    for k, value in enumerate(chart.values):
        middle = round(frame.left + slot * (k + 0.5))
        tip = frame.bottom - _length(value, chart, frame.bottom - frame.top)
        box = (middle - thick // 2, tip, middle - thick // 2 + thick, frame.bottom)
        picture.pen.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=shades[k])
        picture.record(f"{chart.colours[k]} bar", box, "bar")
        _label_below(picture, chart, style, k, middle)
        if chart.printed:
            _center(picture, middle, tip - 2, chart.value_text(k), style)


def draw_line(picture: Picture, chart: Chart, style: Style, rng: random.Random) -> None:
    """Draw a line through markers with labels below, and values above or ticks at the left."""
    style = _fitting(chart.labels, style, _room_per_label(picture.width, chart, style))
    frame = _upright_frame(picture, chart, style)
    slot = (frame.right - frame.left) / len(chart.values)
    shade, radius = jitter(rng, chart.colours[0]), rng.randint(2, 3)
    points = [
        (round(frame.left + slot * (k + 0.5)), frame.bottom - _length(value, chart, frame.bottom - frame.top))
        for k, value in enumerate(chart.values)
    ]
    picture.pen.line(points, fill=shade, width=rng.randint(1, 2))
    for k, (x, y) in enumerate(points):
        box = (x - radius, y - radius, x + radius + 1, y + radius + 1)
        picture.pen.ellipse((box[0], box[1], box[2] - 1, box[3] - 1), fill=shade)
        picture.record(f"{chart.colours[k]} bar", box, "bar")
        _label_below(picture, chart, style, k, x)
        if chart.printed:
            _center(picture, x, y - radius - 2, chart.value_text(k), style)


def draw_rows(picture: Picture, chart: Chart, style: Style, rng: random.Random) -> None:
    """Draw lying bars with labels at the left, and values at their ends or ticks below."""
    style = _fitting(chart.labels, style, picture.width // 2 - 4)
    above, below = line_metrics(style.face, style.size)
    left = EDGE + max(measure(label, style).advance for label in chart.labels) + 3
    tail = max(measure(chart.value_text(k), style).advance for k in range(len(chart.values))) + 3
    right = picture.width - EDGE - (tail if chart.printed else measure(str(chart.top), style).advance // 2 + 1)
    bottom = picture.height - EDGE - (0 if chart.printed else above + 3)
    slot = (bottom - EDGE) / len(chart.values)
    thick = max(5, min(round(slot * rng.uniform(0.5, 0.85)), above + 14))
    shades = _shades(rng, chart)
    if not chart.printed:
        _ticks_below(picture, chart, style, left, right, bottom)
    for k, value in enumerate(chart.values):
        middle = round(EDGE + slot * (k + 0.5))
        tip = left + _length(value, chart, right - left)
        box = (left, middle - thick // 2, tip, middle - thick // 2 + thick)
        picture.pen.rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=shades[k])
        picture.record(f"{chart.colours[k]} bar", box, "bar")
        baseline = min(middle + above // 2, picture.height - below - 1)
        write(picture, EDGE, baseline, chart.labels[k], style)
        if chart.printed:
            write(picture, tip + 2, baseline, chart.value_text(k), style)
    picture.pen.line((left - 1, EDGE, left - 1, bottom), fill=style.colour)


def draw_pie(picture: Picture, chart: Chart, style: Style, rng: random.Random) -> None:
    """Draw a pie with percents inside its slices and a legend beside or below it."""
    above, below = line_metrics(style.face, style.size)
    pitch = above + below + 2
    texts = [f"{label} {chart.value_text(k)}" if chart.printed else label for k, label in enumerate(chart.labels)]
    style = _fitting(texts, style, picture.width // 2 - 10)
    legend = max(measure(text, style).advance for text in texts) + 12
    side = max(24, min(picture.height - 2 * EDGE, picture.width - legend - 2 * EDGE))
    top = (picture.height - side) // 2
    shades = _shades(rng, chart)
    angle = -90.0
    for k, value in enumerate(chart.values):
        turn = 360.0 * value / 100
        _slice(picture, (EDGE, top, side), angle, angle + turn, shades[k], f"{chart.colours[k]} bar")
        angle += turn
    pitch = min(pitch + rng.randint(0, 4), (picture.height - 2 * EDGE) // len(texts))
    start = (picture.height - pitch * len(texts)) // 2
    left = EDGE + side + 3
    for k, text in enumerate(texts):
        y = start + k * pitch
        swatch = (left, y + pitch // 2 - 3, left + 6, y + pitch // 2 + 2)
        picture.pen.rectangle(swatch, fill=shades[k])
        write(picture, left + 8, y + (pitch - above - below) // 2 + above, text, style)


MOSTLY_COVERED = [0] * 128 + [255] * 128


def _slice(picture: Picture, place: tuple[int, int, int], start: float, stop: float, shade: RGB, name: str) -> None:
    left, top, side = place
    large = side * OVERSAMPLING
    mask = Image.new("L", (large, large))
    ImageDraw.Draw(mask).pieslice((0, 0, large - 1, large - 1), start, stop, fill=255)
    mask = mask.reduce(OVERSAMPLING)
    ink = mask.point(MOSTLY_COVERED).getbbox()
    picture.image.paste(shade, (left, top, left + mask.width, top + mask.height), mask)
    if ink is not None:
        picture.record(name, (left + ink[0], top + ink[1], left + ink[2], top + ink[3]), "bar")


def _upright_frame(picture: Picture, chart: Chart, style: Style) -> Frame:
    above, below = line_metrics(style.face, style.size)
    left = EDGE + _axis_room(chart, style)
    top = EDGE + (above + 4 if chart.printed else above // 2 + 1)
    frame = Frame(left, top, picture.width - EDGE, picture.height - EDGE - above - below - 2)
    if not chart.printed:
        for value in (0, chart.top // 2, chart.top):
            y = frame.bottom - _length(value, chart, frame.bottom - frame.top)
            picture.pen.line((frame.left - 2, y, frame.right, y), fill=_faint(picture, style))
            text = str(value)
            write(picture, frame.left - 3 - measure(text, style).advance, y + above // 2, text, style)
    picture.pen.line((frame.left, frame.bottom, frame.right, frame.bottom), fill=style.colour)
    return frame


def _ticks_below(picture: Picture, chart: Chart, style: Style, left: int, right: int, bottom: int) -> None:
    above, _ = line_metrics(style.face, style.size)
    for value in (0, chart.top // 2, chart.top):
        x = left + _length(value, chart, right - left)
        picture.pen.line((x, EDGE, x, bottom), fill=_faint(picture, style))
        _center(picture, x, bottom + above + 2, str(value), style)


def _axis_room(chart: Chart, style: Style) -> int:
    return 0 if chart.printed else measure(str(chart.top), style).advance + 4


def _room_per_label(width: int, chart: Chart, style: Style) -> int:
    return (width - 2 * EDGE - _axis_room(chart, style)) // len(chart.labels) - 1


def _length(value: int, chart: Chart, room: int) -> int:
    return max(1, round(room * value / chart.top)) if value else 0


def _label_below(picture: Picture, chart: Chart, style: Style, k: int, middle: int) -> None:
    _, below = line_metrics(style.face, style.size)
    _center(picture, middle, picture.height - EDGE - below, chart.labels[k], style)


def _center(picture: Picture, middle: int, baseline: int, text: str, style: Style) -> None:
    extent = measure(text, style)
    left = min(max(1, middle - (extent.right + extent.left) // 2), picture.width - 1 - extent.right)
    write(picture, max(left, -extent.left), baseline, text, style)


def _fitting(texts: tuple[str, ...] | list[str], style: Style, room: int) -> Style:
    size = style.size
    while size > SMALLEST_SIZE:
        if max(measure(text, Style(style.face, size, style.colour)).advance for text in texts) <= room:
            break
        size -= 1
    return Style(style.face, size, style.colour)


def _shades(rng: random.Random, chart: Chart) -> list[RGB]:
    by_name = {name: jitter(rng, name) for name in chart.colours}
    return [by_name[name] for name in chart.colours]


def _faint(picture: Picture, style: Style) -> RGB:
    return tuple((b * 3 + i) // 4 for b, i in zip(picture.base, style.colour, strict=True))  # type: ignore[return-value]


PLOTS: dict[str, Callable[[Picture, Chart, Style, random.Random], None]] = {
    "bar": draw_bars,
    "rows": draw_rows,
    "line": draw_line,
    "pie": draw_pie,
}
