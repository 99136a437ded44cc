"""Chart look: size, face, colours and manners of a chart, by lot."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from vl2.corpus.drawing.chart.data import Chart
from vl2.corpus.drawing.chart.faces import CHINESE_FACES

Colour = tuple[str, str]  # as drawn, and in words
CHINESE_COLOURS = {
    "blue": "蓝色",
    "orange": "橙色",
    "green": "绿色",
    "red": "红色",
    "purple": "紫色",
    "brown": "棕色",
    "pink": "粉色",
    "grey": "灰色",
    "yellow": "黄色",
    "dark grey": "深灰色",
    "teal": "青色",
    "dark blue": "深蓝色",
    "light blue": "浅蓝色",
    "black": "黑色",
}
PALETTES: tuple[dict[str, str], ...] = (
    {
        "blue": "#1f77b4",
        "orange": "#ff7f0e",
        "green": "#2ca02c",
        "red": "#d62728",
        "purple": "#9467bd",
        "brown": "#8c564b",
        "pink": "#e377c2",
        "grey": "#7f7f7f",
    },
    {
        "red": "#d1372d",
        "blue": "#2b5ea8",
        "yellow": "#f2b705",
        "green": "#2f8f4e",
        "purple": "#7d4199",
        "dark grey": "#4a4a4a",
        "pink": "#ef8ab0",
        "brown": "#a5642d",
    },
    {
        "teal": "#16a085",
        "orange": "#e67e22",
        "dark blue": "#34495e",
        "red": "#e74c3c",
        "purple": "#8e44ad",
        "yellow": "#f1c40f",
        "grey": "#95a5a6",
        "brown": "#6b4226",
    },
    {
        "light blue": "#8ecae6",
        "dark blue": "#023047",
        "yellow": "#ffb703",
        "red": "#d62828",
        "green": "#588157",
        "pink": "#b56576",
        "grey": "#6c757d",
        "brown": "#7f5539",
    },
    {
        "black": "#000000",
        "red": "#e41a1c",
        "green": "#4daf4a",
        "blue": "#377eb8",
        "orange": "#ff7f00",
        "purple": "#984ea3",
        "brown": "#a65628",
        "pink": "#f781bf",
    },
)
GREY_GROUND = "#ebebf0"
PAPERS = ("#ffffff", "#ffffff", "#ffffff", "#f7f7f5", "#fdf6e3", "#eef3f8")
MOST_PRINTED = {
    "bars": 14,
    "horizontal": 14,
    "pie": 8,
    "histogram": 12,
    "stacked": 16,
    "grouped": 14,
    "lines": 10,
    "area": 0,
    "scatter": 0,
}  # values
INKS = ("#000000", "#222222", "#333333")
HATCHES = ("", "//", "..", "xx", "\\\\", "--")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a chart looks; sizes in pixels."""

    width: int
    height: int
    face: str
    size: int  # of letters
    colours: tuple[Colour, ...]
    paper: str
    inner: str  # behind the bars
    grid: bool
    frame: Literal["box", "open", "none"]
    printed: bool  # values stand at their bars
    legend: Literal["top", "right", "bottom"]
    bold_title: bool
    title_left: bool
    hatched: bool
    markers: bool
    many_colours: bool  # bars of one series each in a colour of its own
    ink: str


def pick_look(chart: Chart, dice: random.Random, faces: tuple[str, ...]) -> Look:
    """Return how a chart looks."""
    palette = dice.choice(PALETTES)
    paper = dice.choice(PAPERS)
    needed = max(len(chart.names), len(chart.series))
    names = dice.sample(list(palette), len(palette)) if dice.random() < 0.5 else list(palette)
    colours = [(palette[name], CHINESE_COLOURS[name] if chart.language == "zh" else name) for name in names]
    num_values = sum(len(one.values) for one in chart.series)
    can_print = num_values <= MOST_PRINTED[chart.kind] and (chart.kind != "lines" or len(chart.series) == 1)
    width = dice.randrange(520, 900, 20)
    return Look(
        width=width, height=round(width * dice.uniform(0.58, 0.82)),
        face=dice.choice(CHINESE_FACES if chart.language == "zh" else faces), size=dice.choice((12, 13, 14, 15)),
        colours=tuple(colours), paper=paper, inner=dice.choice((paper, paper, "#ffffff", GREY_GROUND)),
        grid=chart.kind != "pie" and dice.random() < 0.65, frame=dice.choice(("box", "open", "open", "none")),
        printed=can_print and (chart.kind == "pie" or dice.random() < 0.6),
        legend=dice.choice(("top", "right", "bottom")), bold_title=dice.random() < 0.4, title_left=dice.random() < 0.25,
        hatched=dice.random() < 0.08, markers=dice.random() < 0.6,
        many_colours=needed <= len(palette) and dice.random() < 0.25, ink=dice.choice(INKS),
    )  # fmt: skip
