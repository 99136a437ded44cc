"""Compare: questions that need two pictures."""

from __future__ import annotations

import random

from vl2.corpus.pocket.conversation import UNGRADED, Brief, Drawn, Turn, say
from vl2.corpus.pocket.figures import SHAPES, plural
from vl2.corpus.pocket.read import letter_word
from vl2.corpus.pocket.scene import Look, Scene, draw_scene, pick_ground, pick_looks, visible_colours, with_article
from vl2.corpus.pocket.words import CONSONANTS, VOWELS, pick_word, recase

PAIR_SIZES = ((96, 96), (96, 96), (96, 96), (80, 96), (96, 72))
WORD_PAIR_SIZES = ((96, 96), (96, 48), (96, 32), (80, 40))
MOST_COUNTED = 4


def draw_pair(brief: Brief) -> Drawn:
    """Draw two pictures and ask what tells them apart."""
    return _words(brief) if brief.focus == "compare.same_word" else _scenes(brief)


def _words(brief: Brief) -> Drawn:
    rng = brief.rng
    first = recase(rng, pick_word(rng, brief.split, 9))
    same = rng.random() < 0.5
    second = first if same else _other_word(rng, brief, first)
    pictures = tuple(letter_word(brief, word, rng.choice(WORD_PAIR_SIZES), index=k)
                     for k, word in enumerate((first, second)))  # fmt: skip
    turns = [say("compare.same_word", "Is the same word written in both pictures?", "yes" if same else "no")]
    if len(brief.kinds) > 1:
        number = rng.randrange(2)
        question = f"What does the {('first', 'second')[number]} picture say?"
        turns.append(say(UNGRADED, question, (first, second)[number]))
    return Drawn(pictures, tuple(turns))


def _other_word(rng: random.Random, brief: Brief, word: str) -> str:
    if rng.random() < 0.4:  # one letter off: the hard case
        k = rng.randrange(len(word))
        letters = VOWELS if word[k].lower() in VOWELS else CONSONANTS
        letter = rng.choice([other for other in letters if other != word[k].lower()])
        return word[:k] + (letter.upper() if word[k].isupper() else letter) + word[k + 1 :]
    while True:
        other = recase(rng, pick_word(rng, brief.split, 9))
        if other.lower() != word.lower():
            return other


def _scenes(brief: Brief) -> Drawn:
    rng = brief.rng
    target = rng.choice(list(SHAPES))
    grounds = [pick_ground(rng) for _ in range(2)]
    shared = [name for name in visible_colours(grounds[0]) if name in visible_colours(grounds[1])]
    look = (rng.choice(shared), target)
    holders = rng.choice(((True, False), (False, True), (True, True), (False, False)))
    counts = _counts(rng)
    scenes = []
    for k, ground in enumerate(grounds):
        if brief.focus == "compare.count":
            looks = _counted_looks(rng, visible_colours(ground), target, counts[k])
        else:
            looks = _looks_around(rng, visible_colours(ground), look, holds=holders[k])
        scenes.append(draw_scene(rng, brief.split, looks, ground, size=rng.choice(PAIR_SIZES), index=k))
    turns = [_more(scenes, target) if kind == "compare.count" else _has(scenes, look)
             for kind in brief.kinds if kind != "compare.same_word"]  # fmt: skip
    return Drawn(tuple(scene.picture for scene in scenes), tuple(turns))


def _counts(rng: random.Random) -> tuple[int, int]:
    if rng.random() < 1 / 3:
        same = rng.randint(0, MOST_COUNTED)
        return same, same
    more = rng.randint(1, MOST_COUNTED)
    fewer = rng.randrange(more)
    return (more, fewer) if rng.random() < 0.5 else (fewer, more)


def _counted_looks(rng: random.Random, colours: list[str], target: str, num: int) -> list[Look]:
    rest = [shape for shape in SHAPES if shape != target]
    looks = [(rng.choice(colours), target) for _ in range(num)]
    looks += [(rng.choice(colours), rng.choice(rest)) for _ in range(rng.randint(0 if num else 1, 2))]
    rng.shuffle(looks)
    return looks


def _looks_around(rng: random.Random, colours: list[str], look: Look, *, holds: bool) -> list[Look]:
    near = [(look[0], rng.choice(list(SHAPES))), (rng.choice(colours), look[1])]
    looks = [*pick_looks(rng, rng.randint(1, 3), colours), *rng.sample(near, rng.randint(0, 2))]
    looks = [other for other in looks if other != look]
    if holds or not looks:
        looks.append(look if holds else (look[0], rng.choice([shape for shape in SHAPES if shape != look[1]])))
    rng.shuffle(looks)
    return looks


def _more(scenes: list[Scene], target: str) -> Turn:
    first, second = (len(scene.with_shape(target)) for scene in scenes)
    answer = "same" if first == second else "first" if first > second else "second"
    return say("compare.count", f"Which picture has more {plural(target)}?", answer)


def _has(scenes: list[Scene], look: Look) -> Turn:
    first, second = (bool(scene.with_look(look)) for scene in scenes)
    answers = {(True, False): "first", (False, True): "second", (True, True): "both", (False, False): "neither"}
    return say("compare.colour", f"Which picture has {with_article(' '.join(look))}?", answers[first, second])
