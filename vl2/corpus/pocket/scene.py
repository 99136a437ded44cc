"""Scene: figures placed on a background with little overlap, and how to talk about them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from vl2.corpus.pocket.canvas import RGB, Box4, Picture, Split, open_picture
from vl2.corpus.pocket.figures import COLOURS, SHAPES, jitter, plural, shape_mask, stamp, stands_out

SCENE_SIZES = ((96, 96), (80, 96), (96, 72), (192, 96), (96, 192), (192, 192))
SCENE_SIZE_WEIGHTS = (66, 6, 6, 8, 6, 8)
GROUNDS: dict[str, RGB] = {  # names for describing the background
    "white": (252, 252, 252),
    "grey": (205, 205, 205),
    "yellow": (255, 250, 205),
    "blue": (210, 228, 250),
    "green": (214, 240, 214),
    "pink": (252, 224, 232),
    "black": (12, 12, 12),
    "dark blue": (14, 18, 62),
    "dark green": (8, 50, 26),
    "dark grey": (66, 66, 66),
}
GROUND_WEIGHTS = (34, 8, 8, 8, 8, 6, 12, 6, 5, 5)
NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six")
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "middle", "right")
CLEAR_OF_THIRDS = 0.035  # a centre nearer to a border of the 3x3 grid has no certain place
Look = tuple[str, str]  # colour, shape


@dataclass(frozen=True)
class Figure:
    """One drawn figure; `size` is the side it was drawn at, in pixels."""

    colour: str
    shape: str
    size: int
    box: Box4

    @property
    def look(self) -> Look:
        """Return colour and shape."""
        return (self.colour, self.shape)

    @property
    def name(self) -> str:
        """Return "red circle"."""
        return f"{self.colour} {self.shape}"

    @property
    def center(self) -> tuple[float, float]:
        """Return the middle of the box in pixels."""
        return ((self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2)


@dataclass(frozen=True)
class Scene:
    """A picture with its figures in reading order (left to right, then top to bottom) and its ground's name."""

    picture: Picture
    figures: tuple[Figure, ...]
    ground: str

    def with_look(self, look: Look) -> list[Figure]:
        """Return the figures of this colour and shape."""
        return [figure for figure in self.figures if figure.look == look]

    def with_shape(self, shape: str) -> list[Figure]:
        """Return the figures of this shape."""
        return [figure for figure in self.figures if figure.shape == shape]

    def with_colour(self, colour: str) -> list[Figure]:
        """Return the figures of this colour."""
        return [figure for figure in self.figures if figure.colour == colour]

    def only_ones(self) -> list[Figure]:
        """Return the figures whose colour and shape together name them."""
        return [figure for figure in self.figures if len(self.with_look(figure.look)) == 1]


def pick_looks(rng: random.Random, num: int, colours: list[str], *, repeats: float = 0.3) -> list[Look]:
    """Choose what is drawn; with chance `repeats` a figure shares colour, shape or both with an earlier one."""
    looks: list[Look] = []
    shapes = list(SHAPES)
    for _ in range(num):
        look = (rng.choice(colours), rng.choice(shapes))
        if looks and rng.random() < repeats:
            other = rng.choice(looks)
            look = rng.choice(((other[0], look[1]), (look[0], other[1]), other))
        looks.append(look)
    return looks


def pick_ground(rng: random.Random) -> str:
    """Choose the name of a scene's background colour."""
    return rng.choices(list(GROUNDS), GROUND_WEIGHTS)[0]


def visible_colours(ground: str) -> list[str]:
    """Return the figure colours that stand out from a ground."""
    return [name for name in COLOURS if stands_out(name, GROUNDS[ground])]


def draw_scene(rng: random.Random, split: Split, looks: list[Look], ground: str, *, size: tuple[int, int] | None = None,
               index: int = 0, settled: bool = False) -> Scene:  # fmt: skip
    """Draw the figures at free places; those that find none are left out. `settled` figures have certain places."""
    width, height = size or rng.choices(SCENE_SIZES, SCENE_SIZE_WEIGHTS)[0]
    picture = open_picture(rng, split, width, height, base=GROUNDS[ground], index=index)
    longest = min(width, height)
    largest = min(longest // 2, 70) if len(looks) <= 2 else longest // 3 if len(looks) <= 4 else longest // 4 + 2
    placed: list[Figure] = []
    for colour, shape in looks:
        side = rng.randint(13, max(14, largest))
        for attempt in range(24):
            side = max(12, side - attempt // 4)
            mask = shape_mask(shape, side, rng.randrange(4) if shape == "arrow" else 0)
            left, top = rng.randint(1, width - mask.width - 1), rng.randint(1, height - mask.height - 1)
            box = (left, top, left + mask.width, top + mask.height)
            figure = Figure(colour, shape, side, box)
            if settled and place_words(figure, picture) is None:
                continue
            if all(_apart(box, other.box) for other in placed):
                stamp(picture, figure.name, jitter(rng, colour), mask, left, top)
                placed.append(figure)
                break
    return Scene(picture, tuple(reading_order(placed)), ground)


def reading_order(figures: Iterable[Figure]) -> list[Figure]:
    """Sort figures left to right, then top to bottom."""
    return sorted(figures, key=lambda figure: (figure.box[0], figure.box[1]))


def place_words(figure: Figure, picture: Picture) -> str | None:
    """Return the figure's place in a 3x3 grid ("top left" .. "bottom right"), or None too near to a border."""
    x, y = figure.center[0] / picture.width, figure.center[1] / picture.height
    if any(abs(value - third) < CLEAR_OF_THIRDS for value in (x, y) for third in (1 / 3, 2 / 3)):
        return None
    row, column = ROWS[int(y * 3)], COLUMNS[int(x * 3)]
    if row == "middle":
        return column
    return row if column == "middle" else f"{row} {column}"


def with_article(phrase: str) -> str:
    """Put a or an before a phrase."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def counted(num: int, colour: str, shape: str) -> str:
    """Return "a red circle" or "two red circles"."""
    return with_article(f"{colour} {shape}") if num == 1 else f"{NUMBER_WORDS[num]} {colour} {plural(shape)}"


def joined(phrases: list[str]) -> str:
    """Join phrases with commas and a final and."""
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"


def near_misses(rng: random.Random, scene: Scene, colours: list[str]) -> list[Look]:
    """Return looks that are absent but share a colour or a shape with what is drawn, hardest first."""
    present = {figure.look for figure in scene.figures}
    crossed = [(a.colour, b.shape) for a in scene.figures for b in scene.figures if (a.colour, b.shape) not in present]
    rng.shuffle(crossed)
    figure = rng.choice(scene.figures)
    loose = [(rng.choice(colours), figure.shape), (figure.colour, rng.choice(list(SHAPES)))]
    rng.shuffle(loose)
    return [look for look in (*crossed, *loose) if look not in present]


def _apart(first: Box4, second: Box4) -> bool:
    gap = 1
    return (first[2] + gap <= second[0] or second[2] + gap <= first[0]
            or first[3] + gap <= second[1] or second[3] + gap <= first[1])  # fmt: skip
