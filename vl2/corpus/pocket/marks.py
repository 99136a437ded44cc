"""Marks: questions about what a drawn box, ellipse, arrow or point marks."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from vl2.corpus.pocket.canvas import Box4, Picture, open_picture, pick_ink
from vl2.corpus.pocket.conversation import Brief, Drawn, say
from vl2.corpus.pocket.figures import COLOURS, colour_distance, jitter
from vl2.corpus.pocket.lettering import Style, line_metrics, measure, pick_face, write
from vl2.corpus.pocket.scene import Figure, draw_scene, pick_ground, pick_looks, visible_colours, with_article
from vl2.corpus.pocket.words import pick_token

MARK_COLOURS = ("red", "green", "blue")
PADDING = 3
TEXT_SHARE = 0.35
SCENE_SIZES = ((96, 96), (96, 96), (96, 96), (192, 96), (192, 192))
TEXT_SIZES = ((96, 96), (96, 96), (192, 96))
Mark = Callable[[random.Random, Picture, Box4, list[Box4], str], Box4 | None]


def draw_marks(brief: Brief) -> Drawn:
    """Draw figures or words, mark one, and ask what is marked."""
    return _marked_word(brief) if brief.rng.random() < TEXT_SHARE else _marked_figure(brief)


def _marked_figure(brief: Brief) -> Drawn:
    rng = brief.rng
    ground = pick_ground(rng)
    looks = pick_looks(rng, rng.randint(1, 5), visible_colours(ground))
    scene = draw_scene(rng, brief.split, looks, ground, size=rng.choice(SCENE_SIZES))
    if not scene.figures:
        return Drawn((scene.picture,), ())
    figure = rng.choice(scene.figures)
    colours = [name for name in MARK_COLOURS if _clear(name, scene.picture, figure)]
    if not colours:
        return Drawn((scene.picture,), ())
    colour, form = rng.choice(colours), rng.choice(list(MARKS))
    others = [other.box for other in scene.figures if other is not figure]
    box = MARKS[form](rng, scene.picture, figure.box, others, colour)
    if box is None:
        return Drawn((scene.picture,), ())
    scene.picture.record(f"{colour} {form}", box, "mark")
    return Drawn((scene.picture,), (say("marks", QUESTIONS[form].format(colour), with_article(figure.name)),))


def _clear(name: str, picture: Picture, figure: Figure) -> bool:
    figure_colour = COLOURS[figure.colour]
    return colour_distance(COLOURS[name], picture.base) > 80 and colour_distance(COLOURS[name], figure_colour) > 60


def _marked_word(brief: Brief) -> Drawn:
    rng = brief.rng
    width, height = rng.choice(TEXT_SIZES)
    picture = open_picture(rng, brief.split, width, height, calm=True)
    style = Style(pick_face(rng, brief.split), rng.randint(10, 14), pick_ink(rng, picture.base))
    above, below = line_metrics(style.face, style.size)
    pitch = above + below + 2 * PADDING + 2
    num = rng.randint(1, max(1, min(4, (height - 4) // pitch)))
    top = rng.randint(2, max(2, height - 2 - num * pitch))
    boxes = []
    for number in range(num):
        word = pick_token(rng, brief.split, 9)
        extent = measure(word, style)
        room = width - 2 * PADDING - 2 - (extent.right - extent.left)
        if room < 0:
            return Drawn((picture,), ())
        x = PADDING + 1 + rng.randint(0, room) - extent.left
        boxes.append((word, write(picture, x, top + PADDING + 1 + above + number * pitch, word, style)))
    word, inner = rng.choice(boxes)
    colours = [name for name in MARK_COLOURS if colour_distance(COLOURS[name], picture.base) > 80]
    if not colours:
        return Drawn((picture,), ())
    colour = rng.choice(colours)
    box = _mark_box(rng, picture, inner, [other for _, other in boxes if other is not inner], colour)
    if box is None:
        return Drawn((picture,), ())
    picture.record(f"{colour} box", box, "mark")
    return Drawn((picture,), (say("marks", f"What is written in the {colour} box?", word),))


def _padded(picture: Picture, box: Box4, by: int, others: list[Box4]) -> Box4 | None:
    left, top, right, bottom = box[0] - by, box[1] - by, box[2] + by, box[3] + by
    inside = left >= 0 and top >= 0 and right <= picture.width and bottom <= picture.height
    free = all(right <= o[0] or o[2] <= left or bottom <= o[1] or o[3] <= top for o in others)
    return (left, top, right, bottom) if inside and free else None


def _mark_box(rng: random.Random, picture: Picture, box: Box4, others: list[Box4], colour: str) -> Box4 | None:
    frame = _padded(picture, box, PADDING, others)
    if frame is not None:
        corners = (frame[0], frame[1], frame[2] - 1, frame[3] - 1)
        picture.pen.rectangle(corners, outline=jitter(rng, colour), width=rng.randint(1, 2))
    return frame


def _mark_ellipse(rng: random.Random, picture: Picture, box: Box4, others: list[Box4], colour: str) -> Box4 | None:
    frame = _padded(picture, box, 2 + (box[2] - box[0]) // 6 + PADDING, others)
    if frame is not None:
        corners = (frame[0], frame[1], frame[2] - 1, frame[3] - 1)
        picture.pen.ellipse(corners, outline=jitter(rng, colour), width=2)
    return frame


def _mark_arrow(rng: random.Random, picture: Picture, box: Box4, others: list[Box4], colour: str) -> Box4 | None:
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    half = ((box[2] - box[0]) / 2, (box[3] - box[1]) / 2)
    length = rng.randint(13, 24)
    for _ in range(16):
        angle = rng.uniform(0, 2 * math.pi)
        across, down = math.cos(angle), math.sin(angle)
        reach = min(half[0] / max(abs(across), 1e-6), half[1] / max(abs(down), 1e-6)) + 2
        tip = (middle[0] + across * reach, middle[1] + down * reach)
        tail = (tip[0] + across * length, tip[1] + down * length)
        spread = (-down * 4, across * 4)
        neck = (tip[0] + across * 7, tip[1] + down * 7)
        head = [tip, (neck[0] + spread[0], neck[1] + spread[1]), (neck[0] - spread[0], neck[1] - spread[1])]
        points = [*head, tail]
        frame = (
            math.floor(min(p[0] for p in points)), math.floor(min(p[1] for p in points)),
            math.ceil(max(p[0] for p in points)) + 1, math.ceil(max(p[1] for p in points)) + 1,
        )  # fmt: skip
        if _padded(picture, frame, 0, others) is not None:
            shade = jitter(rng, colour)
            picture.pen.line([neck, tail], fill=shade, width=2)
            picture.pen.polygon(head, fill=shade)
            return frame
    return None


def _mark_point(rng: random.Random, picture: Picture, box: Box4, others: list[Box4], colour: str) -> Box4 | None:
    x, y, radius = (box[0] + box[2]) // 2, (box[1] + box[3]) // 2, rng.randint(2, 3)
    dot = (x - radius, y - radius, x + radius + 1, y + radius + 1)
    picture.pen.ellipse((dot[0], dot[1], dot[2] - 1, dot[3] - 1), fill=jitter(rng, colour))
    return dot


MARKS: dict[str, Mark] = {"box": _mark_box, "ellipse": _mark_ellipse, "arrow": _mark_arrow, "point": _mark_point}
QUESTIONS: dict[str, str] = {
    "box": "What is in the {} box?",
    "ellipse": "What is in the {} ellipse?",
    "arrow": "What does the {} arrow point to?",
    "point": "What is at the {} point?",
}
