"""Plot pen: how a person writes with matplotlib: by axes or by pyplot, in a style, with colours, grids and labels."""

from __future__ import annotations

import random
from dataclasses import dataclass

from vl2.corpus.drawing.chart.data import Chart
from vl2.corpus.drawing.plot.data import quoted, titled, width_of

_PALETTES = (
    ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown", "tab:pink", "tab:gray"),
    ("steelblue", "darkorange", "seagreen", "firebrick", "slateblue", "goldenrod", "teal", "dimgray"),
    ("#4C72B0", "#DD8452", "#55A868", "#C44E52", "#8172B3", "#937860", "#DA8BC3", "#8C8C8C"),
    ("#264653", "#2A9D8F", "#E9C46A", "#F4A261", "#E76F51", "#6D597A", "#355070", "#B56576"),
    ("#1B9E77", "#D95F02", "#7570B3", "#E7298A", "#66A61E", "#E6AB02", "#A6761D", "#666666"),
    ("royalblue", "tomato", "mediumseagreen", "orchid", "sandybrown", "slategray", "crimson", "darkcyan"),
)
_STYLES = ("ggplot", "bmh", "seaborn-v0_8-whitegrid", "seaborn-v0_8-darkgrid", "seaborn-v0_8", "fivethirtyeight",
           "seaborn-v0_8-deep", "dark_background", "Solarize_Light2", "grayscale")  # fmt: skip
_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK SC", "Noto Sans CJK SC", "Noto Serif CJK SC")
_LETTERS_PER_INCH, _OF_TITLES, _OF_LARGE_TITLES = 11.0, 7.6, 4.6


@dataclass(frozen=True, kw_only=True)
class Pen:
    """The habits of one script."""

    chart: Chart
    has_axes: bool  # ax.bar(..) rather than plt.bar(..)
    style: str
    colours: tuple[str, ...]
    size: tuple[float, float]  # inches
    grid: str  # x, y, both, or nothing
    has_comments: bool
    font: str

    @property
    def on(self) -> str:
        """Return what draws."""
        return "ax" if self.has_axes else "plt"

    def put(self, what: str, arguments: str) -> str:
        """Return the call that sets a title, a label or ticks."""
        return f"ax.set_{what}({arguments})" if self.has_axes else f"plt.{what}({arguments})"

    def colour(self, place: int = 0) -> str:
        """Return a colour as Python."""
        return quoted(self.colours[place % len(self.colours)])

    def palette(self, count: int) -> str:
        """Return colours for some things as a list."""
        return f"[{', '.join(self.colour(place) for place in range(count))}]"

    def note(self, english: str, chinese: str) -> list[str]:
        """Return a comment, where this person writes any."""
        said = chinese if self.chart.language == "zh" else english
        return [f"# {said}"] if self.has_comments else []

    def opening(self, *, has_numpy: bool) -> list[str]:
        """Return imports, font and style."""
        lines = ["import matplotlib.pyplot as plt", *(["import numpy as np"] if has_numpy else []), ""]
        lines += [f"plt.style.use({quoted(self.style)})"] if self.style else []
        if self.font:
            is_listed = not self.style and self.has_axes  # some styles choose another family
            lines.append(f'plt.rcParams["font.sans-serif"] = [{quoted(self.font)}]' if is_listed
                         else f'plt.rcParams["font.family"] = {quoted(self.font)}')  # fmt: skip
            lines.append('plt.rcParams["axes.unicode_minus"] = False')
        return [*lines, ""] if lines[-1] else lines

    def figure(self, more: str = "") -> str:
        """Return the line that makes the figure."""
        size = f"figsize=({self.size[0]:g}, {self.size[1]:g}){more}"
        return f"fig, ax = plt.subplots({size})" if self.has_axes else f"plt.figure({size})"

    def labels(self, title: str, x: str, y: str) -> list[str]:
        """Return title and labels; a label that says nothing is left out."""
        lines = [self.put("title", self.titled(title))]
        lines += [self.put("xlabel", quoted(capital(x)))] if x else []
        return [*lines, self.put("ylabel", quoted(capital(y)))] if y else lines

    def titled(self, title: str, width: float = 0.0) -> str:
        """Return a title as Python, in lines that fit into a width in inches, else into the plot's."""
        letters = _OF_LARGE_TITLES if self.style == "fivethirtyeight" else _OF_TITLES
        return titled(title, (width or self.size[0]) * letters)

    def turned(self) -> list[str]:
        """Return what turns the names along the axis where they would touch each other."""
        widths = [width_of(name) for name in self.chart.names]
        if max(widths) * len(widths) + 2 * len(widths) <= self.size[0] * _LETTERS_PER_INCH * 0.78:
            return []
        angle = 90 if len(widths) > 16 else 45
        side = "" if angle == 90 else ', ha="right"'
        if self.has_axes:
            return [f"plt.setp(ax.get_xticklabels(), rotation={angle}{side})"]
        return [f"plt.xticks(rotation={angle}{side})"]


def pick_pen(chart: Chart, dice: random.Random) -> Pen:
    """Return the habits that fall for a chart."""
    style = dice.choice(_STYLES) if dice.random() < 0.35 else ""
    colours = dice.choice(_PALETTES)
    turn = dice.randrange(len(colours))
    return Pen(
        chart=chart, has_axes=dice.random() < 0.6, style=style, colours=colours[turn:] + colours[:turn],
        size=(dice.choice((6, 6.4, 7, 8, 8, 9, 10)), dice.choice((4, 4.5, 4.8, 5, 5, 6))),
        grid=dice.choice(("", "", "y", "y", "both")), has_comments=dice.random() < 0.4,
        font=dice.choice(_FONTS) if chart.language == "zh" else "",
    )  # fmt: skip


def capital(said: str) -> str:
    """Return a label with a large first letter."""
    return said[:1].upper() + said[1:]
