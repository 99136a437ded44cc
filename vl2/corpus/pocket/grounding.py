"""Grounding: boxes for the figure, the figures or the description that the question names."""

from __future__ import annotations

import random
from collections.abc import Callable

from vl2.corpus.pocket.conversation import Brief, Drawn, Turn, point_out, refer, say, without_article
from vl2.corpus.pocket.figures import plural
from vl2.corpus.pocket.read import letter_page
from vl2.corpus.pocket.scene import (
    Figure,
    Scene,
    draw_scene,
    near_misses,
    pick_ground,
    pick_looks,
    visible_colours,
)
from vl2.corpus.pocket.words import pick_token

MOST_BOXES = 4
EXTREME_BY = 5  # how far the outermost figure leads the next one, in pixels
LARGEST_BY = 1.2
BARE = 0.3  # the share of labels without their article
ABSENT_WORDS = 0.2  # the share of asked words that are not on the page


def draw_grounding(brief: Brief) -> Drawn:
    """Draw figures and ask where some are."""
    rng = brief.rng
    ground = pick_ground(rng)
    colours = visible_colours(ground)
    many = brief.focus == "ground.many"
    fewest = 2 if many or brief.focus == "ground.described" else 1
    looks = pick_looks(rng, rng.randint(fewest, 6), colours, repeats=0.5 if many else 0.3)
    if many:
        looks = (looks + [looks[0]] * rng.randint(1, MOST_BOXES - 1))[:7]
    scene = draw_scene(rng, brief.split, looks, ground)
    if not scene.figures:
        return Drawn((scene.picture,), ())
    turns = [REFERENCES[kind](rng, scene) for kind in brief.kinds]
    asked = [turn for turn in turns if turn is not None]
    return Drawn((scene.picture,), tuple(without_article(t) if rng.random() < BARE else t for t in asked))


def draw_text_grounding(brief: Brief) -> Drawn:
    """Draw a page of words and ask where one of them is."""
    rng = brief.rng
    picture, _, places = letter_page(brief, rng.randint(2, 5))
    turns = []
    for _ in brief.kinds:
        word = rng.choice(places)[0]
        if rng.random() < ABSENT_WORDS:
            other = pick_token(rng, brief.split, 8)
            word = other if rng.random() < 0.5 else _misspelled(rng, word)
            if all(word != written for written, _ in places):
                turns.append(say("text_ground", refer(f"the word {word}"), f"There is no word {word}."))
            continue
        boxes = sorted(box for written, box in places if written == word)[:MOST_BOXES]
        turns.append(point_out("text_ground", f"the word {word}", picture, boxes))
    return Drawn((picture,), tuple(turns))


def _misspelled(rng: random.Random, word: str) -> str:
    k = rng.randrange(len(word))
    return word[:k] + rng.choice("aeiost0158") + word[k + 1 :]


def _one(rng: random.Random, scene: Scene) -> Turn | None:
    lone = scene.only_ones()
    if not lone:
        return None
    figure = rng.choice(lone)
    same_shape = len(scene.with_shape(figure.shape)) == 1
    label = f"the {figure.shape}" if same_shape and rng.random() < 0.25 else f"the {figure.name}"
    return point_out("ground.one", label, scene.picture, [figure.box])


def _many(rng: random.Random, scene: Scene) -> Turn | None:
    groups: dict[str, list[Figure]] = {}
    for figure in scene.figures:
        groups.setdefault(f"the {figure.colour} {plural(figure.shape)}", []).append(figure)
        groups.setdefault(f"the {plural(figure.shape)}", []).append(figure)
        groups.setdefault(f"the {figure.colour} figures", []).append(figure)
    groups["the figures"] = list(scene.figures)
    fitting = [(label, group) for label, group in groups.items() if 2 <= len(group) <= MOST_BOXES]
    if not fitting:
        return None
    label, group = rng.choice(fitting)
    return point_out("ground.many", label, scene.picture, [figure.box for figure in group])


def _absent(rng: random.Random, scene: Scene) -> Turn | None:
    looks = near_misses(rng, scene, visible_colours(scene.ground))
    if not looks:
        return None
    name = " ".join(looks[0])
    return say("ground.absent", refer(f"the {name}"), f"There is no {name}.")


def _described(rng: random.Random, scene: Scene) -> Turn | None:
    found = [*_outermost(scene.figures, "figure"), *_largest(scene.figures, "figure"), *_beside(scene)]
    for shape in {figure.shape: None for figure in scene.figures}:
        group = scene.with_shape(shape)
        found += [*_outermost(group, shape), *_largest(group, shape)]
    if not found:
        return None
    label, figure = rng.choice(found)
    return point_out("ground.described", label, scene.picture, [figure.box])


def _outermost(group: list[Figure] | tuple[Figure, ...], noun: str) -> list[tuple[str, Figure]]:
    if len(group) < 2:
        return []
    found = []
    for word, axis, sign in (("leftmost", 0, 1), ("rightmost", 0, -1), ("topmost", 1, 1), ("bottommost", 1, -1)):
        ranked = sorted(group, key=lambda figure: sign * figure.center[axis])
        if abs(ranked[0].center[axis] - ranked[1].center[axis]) >= EXTREME_BY:
            found.append((f"the {word} {noun}", ranked[0]))
    return found


def _largest(group: list[Figure] | tuple[Figure, ...], noun: str) -> list[tuple[str, Figure]]:
    if len(group) < 2:
        return []
    ranked = sorted(group, key=lambda figure: figure.size)
    found = []
    if ranked[-1].size >= LARGEST_BY * ranked[-2].size:
        found.append((f"the largest {noun}", ranked[-1]))
    if ranked[1].size >= LARGEST_BY * ranked[0].size:
        found.append((f"the smallest {noun}", ranked[0]))
    return found


def _beside(scene: Scene) -> list[tuple[str, Figure]]:
    """Find figures named by their side of a lone shape, where no other of their shape lies on that side."""
    found = []
    for anchor in scene.figures:
        if len(scene.with_shape(anchor.shape)) > 1:
            continue
        for word, axis, sign in (("left of", 0, -1), ("right of", 0, 1), ("above", 1, -1), ("below", 1, 1)):
            for figure in scene.figures:
                gaps = [
                    (other.center[axis] - anchor.center[axis]) * sign for other in scene.with_shape(figure.shape)
                ]
                own = (figure.center[axis] - anchor.center[axis]) * sign
                if figure.shape != anchor.shape and own >= EXTREME_BY and sum(gap > -EXTREME_BY for gap in gaps) == 1:
                    found.append((f"the {figure.shape} {word} the {anchor.shape}", figure))
    return found


REFERENCES: dict[str, Callable[[random.Random, Scene], Turn | None]] = {
    "ground.one": _one,
    "ground.many": _many,
    "ground.absent": _absent,
    "ground.described": _described,
}
