"""Reading: one word or a few lines of text."""

from __future__ import annotations

import random

from vl2.corpus.pocket.canvas import Box4, Picture, lay_plate, open_photo, open_picture, pick_ink
from vl2.corpus.pocket.conversation import UNGRADED, Brief, Drawn, Turn, say
from vl2.corpus.pocket.lettering import SMALLEST_SIZE, Extent, Style, line_metrics, measure, pick_face, write
from vl2.corpus.pocket.words import pick_token, pick_word

LONGEST_WORD = 14
WORD_QUESTION, PAGE_QUESTION = "What does it say?", "Read the text."
WORD_SIZES = ((96, 96), (96, 48), (96, 32), (96, 24), (80, 40), (96, 64), (192, 96), (192, 48))
WORD_SIZE_WEIGHTS = (22, 20, 16, 10, 8, 10, 9, 5)
PAGE_SIZES = ((96, 96), (96, 72), (80, 96), (192, 96), (96, 192), (192, 192))
PAGE_SIZE_WEIGHTS = (52, 8, 8, 14, 8, 10)
MARGIN = 2
PHOTO_SHARE = 0.08  # words on a bare photograph, on a plate
WordBox = tuple[str, Box4]


def read_word(brief: Brief) -> Drawn:
    """Draw one or two words and ask for them."""
    rng = brief.rng
    text = pick_token(rng, brief.split, 12)
    if rng.random() < 0.15:
        text = f"{pick_word(rng, brief.split, 6)} {pick_word(rng, brief.split, 6)}"
    picture = letter_word(brief, text, rng.choices(WORD_SIZES, WORD_SIZE_WEIGHTS)[0])
    return Drawn((picture,), (say("word", WORD_QUESTION, text),))


def letter_word(brief: Brief, text: str, size: tuple[int, int], *, index: int = 0) -> Picture:
    """Draw `text` somewhere on a fresh picture of `size` pixels."""
    rng = brief.rng
    width, height = size
    style, extent = fit_style(brief, text, width, height, 28 if width > 96 else 20 if rng.random() < 0.25 else 16)
    on_photo = rng.random() < PHOTO_SHARE
    opener = open_photo if on_photo else open_picture
    picture = opener(rng, brief.split, width, height, index=index)
    ink_width, ink_height = extent.right - extent.left, extent.bottom - extent.top
    left = rng.randint(MARGIN, width - MARGIN - ink_width)
    top = rng.randint(MARGIN, height - MARGIN - ink_height)
    if on_photo:
        lay_plate(picture, rng, (left - 2, top - 2, left + ink_width + 2, top + ink_height + 2))
    style = Style(style.face, style.size, pick_ink(rng, picture.base), style.spacing)
    write(picture, left - extent.left, top - extent.top, text, style)
    return picture


def fit_style(brief: Brief, text: str, width: int, height: int, largest: int) -> tuple[Style, Extent]:
    """Choose a face and the size at which `text` fits inside the picture with its margin."""
    rng = brief.rng
    size = rng.randint(10, largest)
    while True:
        style = Style(pick_face(rng, brief.split), max(SMALLEST_SIZE, size), (0, 0, 0), 1 if rng.random() < 0.06 else 0)
        extent = measure(text, style)
        fits = extent.right - extent.left <= width - 2 * MARGIN and extent.bottom - extent.top <= height - 2 * MARGIN
        if fits:
            return style, extent
        size -= 1


def read_lines(brief: Brief) -> Drawn:
    """Draw a page of lines; ask for all of it or for one line."""
    rng = brief.rng
    picture, lines, _ = letter_page(brief, rng.randint(2, 5))
    turns = [say("lines", PAGE_QUESTION, "\n".join(lines))]
    if brief.split == "train" and len(brief.kinds) > 1 and len(lines) > 1:
        turns.append(_line_turn(rng, lines))
    return Drawn((picture,), tuple(turns))


def letter_page(brief: Brief, num_lines: int) -> tuple[Picture, list[str], list[WordBox]]:
    """Draw a page on a fresh picture; return it with its lines and the box of every word."""
    picture = open_picture(brief.rng, brief.split, *brief.rng.choices(PAGE_SIZES, PAGE_SIZE_WEIGHTS)[0])
    lines, places = write_page(brief, picture, num_lines)
    return picture, lines, places


def write_page(brief: Brief, picture: Picture, num_lines: int) -> tuple[list[str], list[WordBox]]:
    """Write up to `num_lines` lines that fill the picture's width; return them and the box of every word."""
    rng = brief.rng
    roomy = picture.width > 96 and picture.height > 96
    size = rng.choices((9, 10, 11, 12, 13, 14), (1, 4, 5, 5, 3, 2))[0] + (rng.randint(0, 8) if roomy else 0)
    style = Style(pick_face(rng, brief.split), size, pick_ink(rng, picture.base))
    above, below = line_metrics(style.face, size)
    pitch = above + below + rng.randint(1, 4)
    num_lines = max(1, min(num_lines, (picture.height - 2 * MARGIN - above - below) // pitch + 1))
    slack = picture.height - 2 * MARGIN - (above + below) - pitch * (num_lines - 1)
    top = MARGIN + rng.randint(0, max(0, slack))
    align = rng.choices(("left", "center", "right"), (70, 22, 8))[0]
    left = rng.randint(MARGIN, MARGIN + 8)
    lines: list[str] = []
    places: list[WordBox] = []
    for number in range(num_lines):
        text, extent = _fill_line(brief, picture.width - left - MARGIN, style)
        ink = extent.right - extent.left
        x = {"left": left, "center": (picture.width - ink) // 2, "right": picture.width - MARGIN - ink}[align]
        places += write_words(picture, x - extent.left, top + above + number * pitch, text, style)
        lines.append(text)
    return lines, places


def write_words(picture: Picture, x: int, baseline: int, text: str, style: Style) -> list[WordBox]:
    """Draw `text` like `write`, and return every word with its ink box."""
    space = measure(" ", style).advance
    places = []
    for word in text.split(" "):
        places.append((word, write(picture, x, baseline, word, style)))
        x += measure(word, style).advance + space
    return places


def _fill_line(brief: Brief, room: int, style: Style) -> tuple[str, Extent]:
    """Choose words until the line is long enough; return it with its extent."""
    rng = brief.rng
    wanted = room * rng.uniform(0.3, 1.0)
    space = measure(" ", style).advance
    text, extent = "", Extent(0, 0, 0, 0, 0)
    for _ in range(12):
        token = pick_token(rng, brief.split, 10)
        if rng.random() < 0.1:
            token += rng.choice(",.:;!?")
        grown = _beside(extent, space, measure(token, style)) if text else measure(token, style)
        if grown.right - grown.left <= room:
            text, extent = f"{text} {token}" if text else token, grown
            if extent.right >= wanted:
                break
        elif text:
            break
    if not text:
        text = pick_word(rng, brief.split, 3)
        extent = measure(text, style)
    return text, extent


def _beside(first: Extent, space: int, second: Extent) -> Extent:
    start = first.advance + space
    return Extent(
        min(first.left, start + second.left),
        min(first.top, second.top),
        max(first.right, start + second.right),
        max(first.bottom, second.bottom),
        start + second.advance,
    )


def _line_turn(rng: random.Random, lines: list[str]) -> Turn:
    number = rng.randrange(len(lines))
    return say(UNGRADED, f"What is on line {number + 1}?", lines[number])
