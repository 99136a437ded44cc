"""Shapes: questions about coloured figures."""

from __future__ import annotations

import random
from collections.abc import Callable

from vl2.corpus.pocket.conversation import Brief, Drawn, Turn, say
from vl2.corpus.pocket.figures import SHAPES, plural
from vl2.corpus.pocket.scene import (
    Figure,
    Look,
    Scene,
    draw_scene,
    near_misses,
    pick_ground,
    pick_looks,
    place_words,
    visible_colours,
    with_article,
)

MOST_COUNTED = 5
COUNT_WEIGHTS = (1.7, 1.1, 1.1, 0.8, 0.8, 0.9)  # none is heavier: counts of all figures never come to it
BALANCED = 0.7  # of the other scenes that are counted in: drawn for the count, or most counts would be one
LARGER_BY = 1.25  # the least ratio of two sides that counts as larger
SIDE_BY = 8  # the least distance of two centres, in pixels, that counts as left of or above


def draw_shapes(brief: Brief) -> Drawn:
    """Draw 1 to 6 figures and ask for colours, shapes, counts and places."""
    rng = brief.rng
    ground = pick_ground(rng)
    colours = visible_colours(ground)
    target = rng.choice(list(SHAPES))
    if brief.focus == "shapes.count" or ("shapes.count" in brief.kinds and rng.random() < BALANCED):
        looks = _looks_to_count(rng, colours, target)
    else:
        fewest = 2 if brief.focus in ("shapes.compare", "shapes.relation") else 1
        looks = pick_looks(rng, rng.randint(fewest, 6), colours)
        if "shapes.count" in brief.kinds and rng.random() < 0.8:
            target = rng.choice(looks)[1]
    scene = draw_scene(rng, brief.split, looks, ground)
    if not scene.figures:
        return Drawn((scene.picture,), ())
    turns = [QUESTIONS[kind](rng, scene, target) for kind in brief.kinds]
    return Drawn((scene.picture,), tuple(turn for turn in turns if turn is not None))


def _looks_to_count(rng: random.Random, colours: list[str], target: str) -> list[Look]:
    num = rng.choices(range(MOST_COUNTED + 1), COUNT_WEIGHTS)[0]
    others = rng.randint(1 if num == 0 else 0, min(4, 6 - num))
    same_colour = rng.choice(colours) if rng.random() < 0.3 else None
    looks = [(same_colour or rng.choice(colours), target) for _ in range(num)]
    rest = [shape for shape in SHAPES if shape != target]
    looks += [(rng.choice(colours), rng.choice(rest)) for _ in range(others)]
    rng.shuffle(looks)
    return looks


def _colour(rng: random.Random, scene: Scene, target: str) -> Turn | None:
    lone = [figure for figure in scene.figures if len(scene.with_shape(figure.shape)) == 1]
    if not lone:
        return None
    figure = rng.choice(lone)
    return say("shapes.colour", f"What colour is the {figure.shape}?", figure.colour)


def _shape(rng: random.Random, scene: Scene, target: str) -> Turn | None:
    lone = [figure for figure in scene.figures if len(scene.with_colour(figure.colour)) == 1]
    if not lone:
        return None
    figure = rng.choice(lone)
    return say("shapes.shape", f"What shape is {figure.colour}?", figure.shape)


def _exists(rng: random.Random, scene: Scene, target: str) -> Turn | None:
    if rng.random() < 0.5:
        figure = rng.choice(scene.figures)
        return say("shapes.exists", f"Is there {with_article(figure.name)}?", "yes")
    absent = near_misses(rng, scene, visible_colours(scene.ground))
    if not absent:
        return None
    return say("shapes.exists", f"Is there {with_article(' '.join(absent[0]))}?", "no")


def _count(rng: random.Random, scene: Scene, target: str) -> Turn | None:
    if rng.random() < 0.25:
        return say("shapes.count", "How many figures are there?", str(len(scene.figures)))
    return say("shapes.count", f"How many {plural(target)} are there?", str(len(scene.with_shape(target))))


def _position(rng: random.Random, scene: Scene, target: str) -> Turn | None:
    placed = [(figure, place_words(figure, scene.picture)) for figure in scene.only_ones()]
    certain = [(figure, place) for figure, place in placed if place is not None]
    if not certain:
        return None
    figure, place = rng.choice(certain)
    return say("shapes.position", f"Where is the {figure.name}?", place)


def _compare(rng: random.Random, scene: Scene, target: str) -> Turn | None:
    pair = _pair(rng, scene, lambda a, b: max(a.size, b.size) >= LARGER_BY * min(a.size, b.size))
    if pair is None:
        return None
    larger = max(pair, key=lambda figure: figure.size)
    question = f"Which is larger, the {pair[0].name} or the {pair[1].name}?"
    return say("shapes.compare", question, f"the {larger.name}", larger.name)


def _relation(rng: random.Random, scene: Scene, target: str) -> Turn | None:
    axis = rng.randrange(2)
    pair = _pair(rng, scene, lambda a, b: abs(a.center[axis] - b.center[axis]) >= SIDE_BY)
    if pair is None:
        return None
    word, sign = rng.choice(((("left of", 1), ("right of", -1)), (("above", 1), ("below", -1)))[axis])
    holds = (pair[1].center[axis] - pair[0].center[axis]) * sign > 0
    return say("shapes.relation", f"Is the {pair[0].name} {word} the {pair[1].name}?", "yes" if holds else "no")


def _pair(rng: random.Random, scene: Scene, fits: Callable[[Figure, Figure], bool]) -> tuple[Figure, Figure] | None:
    lone = scene.only_ones()
    pairs = [(a, b) for a in lone for b in lone if a is not b and fits(a, b)]
    return rng.choice(pairs) if pairs else None


QUESTIONS: dict[str, Callable[[random.Random, Scene, str], Turn | None]] = {
    "shapes.colour": _colour,
    "shapes.shape": _shape,
    "shapes.exists": _exists,
    "shapes.count": _count,
    "shapes.position": _position,
    "shapes.compare": _compare,
    "shapes.relation": _relation,
}
