"""Describe: captions of scenes, plain and grounded, and of text, tables and charts."""

from __future__ import annotations

import random
from collections.abc import Callable

from vl2.core.sample import BoxesPart, Part, TextPart
from vl2.corpus.pocket.canvas import Picture
from vl2.corpus.pocket.charts import NOUNS, plot_chart
from vl2.corpus.pocket.conversation import UNGRADED, Brief, Drawn, Turn, say, to_box
from vl2.corpus.pocket.read import WORD_SIZE_WEIGHTS, WORD_SIZES, letter_page, letter_word
from vl2.corpus.pocket.receipts import print_receipt
from vl2.corpus.pocket.scene import (
    Figure,
    Look,
    Scene,
    counted,
    draw_scene,
    joined,
    pick_ground,
    pick_looks,
    place_words,
    visible_colours,
)
from vl2.corpus.pocket.tables import draw_grid
from vl2.corpus.pocket.words import pick_word, recase

SHORT_QUESTION, QUESTION = "Describe the picture in a few words.", "Describe the picture."
LONG_QUESTION, GROUNDED_QUESTION = "Describe the picture in detail.", "<|grounding|>Describe the picture."
DOCUMENT_SHARE = 0.25  # how many descriptions are of text, tables, receipts or charts
DETAIL_SHARE = 0.35
SMALL, LARGE = 0.2, 0.34  # of the picture's shorter side
CHART_NAMES: dict[str, str] = {"bar": "bar chart", "rows": "bar chart", "line": "line chart", "pie": "pie chart"}


def draw_description(brief: Brief) -> Drawn:
    """Draw a scene or a document and ask for descriptions."""
    rng = brief.rng
    if brief.focus != "describe.grounded" and rng.random() < DOCUMENT_SHARE:
        return _document(brief)
    ground = pick_ground(rng)
    looks = pick_looks(rng, rng.randint(1, 4), visible_colours(ground), repeats=0.4)
    scene = draw_scene(rng, brief.split, looks, ground, settled=True)
    if not scene.figures:
        return Drawn((scene.picture,), ())
    turns = [DESCRIPTIONS[kind](scene) for kind in brief.kinds]
    if brief.split == "train" and rng.random() < DETAIL_SHARE:
        turns.insert(1, _detailed(scene))
    return Drawn((scene.picture,), tuple(turns))


def _groups(scene: Scene) -> dict[Look, list[Figure]]:
    groups: dict[Look, list[Figure]] = {}
    for figure in scene.figures:
        groups.setdefault(figure.look, []).append(figure)
    return groups


def _short(scene: Scene) -> Turn:
    phrases = [counted(len(group), *look) for look, group in _groups(scene).items()]
    return say("describe.short", SHORT_QUESTION, joined(phrases))


def _normal(scene: Scene) -> Turn:
    sentences = [_sentence(scene, counted(len(group), *look), group) for look, group in _groups(scene).items()]
    return say("describe.normal", QUESTION, " ".join(sentences))


def _detailed(scene: Scene) -> Turn:
    sentences = [f"The background is {scene.ground}."]
    shorter = min(scene.picture.width, scene.picture.height)
    for figure in scene.figures:
        share = figure.size / shorter
        word = "small " if share <= SMALL else "large " if share >= LARGE else ""
        sentences.append(_sentence(scene, counted(1, word + figure.colour, figure.shape), [figure]))
    return say(UNGRADED, LONG_QUESTION, " ".join(sentences))


def _sentence(scene: Scene, phrase: str, group: list[Figure]) -> str:
    places = list(dict.fromkeys(place_words(figure, scene.picture) or "middle" for figure in group))
    told = joined(["in the middle" if place == "middle" else f"at the {place}" for place in places])
    return f"{phrase[0].upper()}{phrase[1:]} {'is' if len(group) == 1 else 'are'} {told}."


def _grounded(scene: Scene) -> Turn:
    groups = list(_groups(scene).items())
    parts: list[Part] = [TextPart("The picture shows ")]
    for number, (look, group) in enumerate(groups):
        if number:
            parts.append(TextPart(" and " if number == len(groups) - 1 else ", "))
        boxes = tuple(to_box(figure.box, scene.picture) for figure in group)
        parts.append(BoxesPart(counted(len(group), *look), boxes))
    return Turn("describe.grounded", GROUNDED_QUESTION, (*parts, TextPart(".")))


def _document(brief: Brief) -> Drawn:
    picture, caption = brief.rng.choice(DOCUMENTS)(brief)
    turns = [
        say(kind, SHORT_QUESTION, caption) if kind == "describe.short" else say(kind, QUESTION, _as_sentence(caption))
        for kind in brief.kinds
        if kind != "describe.grounded"
    ]
    return Drawn((picture,), tuple(turns))


def _as_sentence(caption: str) -> str:
    return f"{caption[0].upper()}{caption[1:]}."


def _word_caption(brief: Brief) -> tuple[Picture, str]:
    rng: random.Random = brief.rng
    word = recase(rng, pick_word(rng, brief.split, 10))
    return letter_word(brief, word, rng.choices(WORD_SIZES, WORD_SIZE_WEIGHTS)[0]), f"a picture with the word {word}"


def _page_caption(brief: Brief) -> tuple[Picture, str]:
    picture, lines, _ = letter_page(brief, brief.rng.randint(2, 5))
    return picture, f"a page with {len(lines)} line{'s' if len(lines) > 1 else ''} of text"


def _table_caption(brief: Brief) -> tuple[Picture, str]:
    picture, grid = draw_grid(brief)
    return picture, f"a table with {len(grid.body)} rows and {len(grid.header)} columns"


def _receipt_caption(brief: Brief) -> tuple[Picture, str]:
    picture, receipt = print_receipt(brief)
    return picture, f"a receipt with {len(receipt.items)} items"


def _chart_caption(brief: Brief) -> tuple[Picture, str]:
    picture, chart = plot_chart(brief)
    return picture, f"a {CHART_NAMES[chart.form]} with {len(chart.values)} {NOUNS[chart.form]}"


DOCUMENTS: tuple[Callable[[Brief], tuple[Picture, str]], ...] = (
    _word_caption,
    _page_caption,
    _table_caption,
    _receipt_caption,
    _chart_caption,
    _chart_caption,
)
DESCRIPTIONS: dict[str, Callable[[Scene], Turn]] = {
    "describe.short": _short,
    "describe.normal": _normal,
    "describe.grounded": _grounded,
}
