"""Layout of lines: which part of a text is drawn, in which form, and where each of its lines stands."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from vl2.corpus.drawing.lines.faces import Face, font, pick_face
from vl2.data.faults import RowError

MOST_LINES = 30
LEAST_LETTERS = 2  # of a word
_UNIT = re.compile(r".+?(?:[。！？；][”’」』]?|[.!?]['\")]?(?=\s)|\n|\Z)\s*", re.DOTALL)
_CLAUSE = re.compile(r"[^\n，。！？；：、,.!?;:()（）“”\"|]{2,}")
_TOKEN = re.compile(r"[（《「『“‘【]*(?:[\u2e80-\u9fff\uff00-\uffef]|[^\s\u2e80-\u9fff\uff00-\uffef]+)"
                    r"[，。！？；：、）》」』”’】…]*\s*")  # fmt: skip
_LISTING = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_HEADING = re.compile(r"#{1,6} +")


@dataclass(frozen=True, kw_only=True)
class Form:
    """How a form looks: least and most of lines, of a letter's size and of the width in pixels."""

    lines: tuple[int, int]
    size: tuple[int, int]
    width: tuple[int, int]
    grounds: tuple[str, ...] = ("plain", "plain", "plain", "paper", "gradient", "photo")
    most_turned: float = 3.0  # degrees
    columns: int = 1
    is_centred: bool = False
    is_framed: bool = False
    has_headings: bool = False


FORMS = {
    "word": Form(lines=(1, 1), size=(22, 72), width=(60, 700), most_turned=5.0),
    "line": Form(lines=(1, 1), size=(16, 44), width=(240, 900), most_turned=4.0),
    "paragraph": Form(lines=(2, 9), size=(16, 34), width=(320, 900)),
    "card": Form(lines=(2, 14), size=(18, 36), width=(360, 860), is_centred=True, is_framed=True),
    "poster": Form(lines=(2, 6), size=(34, 76), width=(420, 900), is_centred=True,
                   grounds=("plain", "gradient", "gradient", "photo", "photo")),
    "page": Form(lines=(8, MOST_LINES), size=(15, 23), width=(520, 820), grounds=("plain", "plain", "paper", "paper"),
                 most_turned=1.5, has_headings=True),
    "columns": Form(lines=(10, MOST_LINES), size=(14, 20), width=(640, 960), grounds=("plain", "plain", "paper"),
                    most_turned=1.0, columns=2, has_headings=True),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line: the left end of its baseline in pixels, and how it is written."""

    text: str
    x: int
    y: int
    face: Face
    size: int
    is_accent: bool

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Return the corners of its ink in pixels."""
        left, top, right, bottom = font(self.face, self.size).getbbox(self.text, anchor="ls")
        return (self.x + left, self.y + top, self.x + right, self.y + bottom)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The lines of a picture of a size in pixels, and what they say together."""

    size: tuple[int, int]
    lines: tuple[Line, ...]
    said: str


def lay_out(said: str, form: Form, dice: random.Random, fonts: str, *, chinese: bool) -> Layout:
    """Return where a part of a text stands. Raises RowError on a text that gives too few lines."""
    size, width = dice.randint(*form.size), dice.randint(*form.width)
    column = width if form.columns == 1 else round(width / form.columns - size)
    most = dice.randint(*form.lines)
    letters = max(4, round(column / (size * (1.0 if chinese else 0.5))))  # of a line, about
    said = _LISTING.sub("", said)
    if not form.has_headings:
        said = "\n".join(line for line in said.splitlines() if not _HEADING.match(line))
    part = _part(said, form, letters * most, dice)
    if not part.strip():
        raise RowError("a text without a part for this form")
    face = pick_face(part, dice, fonts, chinese=chinese)
    if form.columns == 1:  # verses keep their lines where a picture may be as wide
        longest = round(max(font(face, size).getlength(line.strip()) for line in part.splitlines()))
        column = max(column, longest) if longest <= form.width[1] else column
    rows: list[tuple[str, bool, bool]] = []  # text, whether it is a heading, whether a gap stands before it
    has_gap = False
    for hard in part.splitlines():
        heading = _HEADING.match(hard)
        told = " ".join((hard[heading.end() :] if heading is not None else hard).split())
        scale = 1.2 if heading is not None else 1.0
        for text in wrap(told, face, round(size * scale), column):
            rows.append((text, heading is not None, has_gap and bool(rows)))
            has_gap = False
        has_gap = has_gap or not told
    rows = rows[:most] if form.lines[1] > 1 else rows[:1]
    if len(rows) < form.lines[0]:
        raise RowError("a text with too few lines for this form")
    return _placed(rows, form, face, size, column, dice)


def wrap(told: str, face: Face, size: int, width: int) -> list[str]:
    """Return a text in lines that are not wider; Chinese breaks between letters, never before a closing sign."""
    lines, now = [], ""
    for token in _TOKEN.findall(told):
        for piece in _narrow(token, face, size, width):
            if now and font(face, size).getlength((now + piece).rstrip()) > width:
                lines.append(now.rstrip())
                now = ""
            now += piece
    return [*lines, now.rstrip()] if now.strip() else lines


def _narrow(token: str, face: Face, size: int, width: int) -> list[str]:
    """Return a token, or pieces of one that is wider than a line, as addresses are."""
    if font(face, size).getlength(token.rstrip()) <= width:
        return [token]
    pieces = [""]
    for sign in token:
        if pieces[-1] and font(face, size).getlength((pieces[-1] + sign).rstrip()) > width:
            pieces.append("")
        pieces[-1] += sign
    return pieces


def _part(said: str, form: Form, budget: int, dice: random.Random) -> str:
    """Return a part of a text with about as many letters as a form has room for, whole sentences if it can."""
    if form.lines[1] == 1:
        return _short(said, budget, is_word=form is FORMS["word"], dice=dice)
    units = _UNIT.findall(said)
    total = sum(map(len, units))
    start = dice.randrange(len(units)) if units and total > 2 * budget and form is not FORMS["page"] else 0
    part = ""
    for unit in units[start:]:
        if part and len(part) + len(unit) > budget:
            break
        part += unit
    return part.strip()


def _short(said: str, budget: int, *, is_word: bool, dice: random.Random) -> str:
    """Return some words in a row, or a clause as far as it fits a line."""
    clauses = [clause.strip(" -#*'") for clause in _CLAUSE.findall(said)]
    clauses = [clause for clause in clauses if sum(map(str.isalnum, clause)) >= LEAST_LETTERS]
    if not clauses:
        return ""
    tokens = _TOKEN.findall(dice.choice(clauses))
    is_chinese = not tokens[0].isascii()
    start = 0 if is_chinese or not is_word else dice.randrange(len(tokens))
    most = (dice.randint(2, 8) if is_chinese else dice.randint(1, 3)) if is_word else len(tokens)
    part = ""
    for number, token in enumerate(tokens[start:]):
        if len(part) >= LEAST_LETTERS and (number >= most or len(part) + len(token) > budget):
            break
        part += token
    return part.strip()


def _placed(
    rows: Sequence[tuple[str, bool, bool]], form: Form, face: Face, size: int, column: int, dice: random.Random
) -> Layout:
    margin = dice.randint(round(0.4 * size), round(2.2 * size)) + (size if form.is_framed else 0)
    leading, gap = dice.uniform(1.25, 1.8), dice.uniform(0.3, 0.8) * size
    is_centred = form.is_centred or (form.columns == 1 and dice.random() < 0.15)
    varies = form is FORMS["poster"]
    each = -(-len(rows) // form.columns)
    widest = max(font(face, round(size * (1.2 if is_heading else 1))).getlength(text) for text, is_heading, _ in rows)
    column = round(widest) if form.columns == 1 else column
    lines: list[Line] = []
    bottom = 0
    for number, (text, is_heading, has_gap) in enumerate(rows):
        place, row = divmod(number, each)
        y = margin if row == 0 else bottom
        own = round(size * 1.2) if is_heading else size
        own = _fitting(text, face, round(own * dice.uniform(0.5, 1.4)), column) if varies else own
        y += round(gap if has_gap and row else 0) + round(own * leading)
        x = margin + place * (column + 2 * size)
        if is_centred:
            x += round((column - font(face, own).getlength(text)) / 2)
        lines.append(Line(text=text, x=x, y=y - round(0.3 * own), face=face, size=own,
                          is_accent=is_heading or (varies and number == 0)))  # fmt: skip
        bottom = y
    height = max(round(line.box[3]) for line in lines) + margin
    width = form.columns * column + (form.columns - 1) * 2 * size + 2 * margin
    said = "".join(("" if not number else "\n\n" if gapped else "\n") + text
                   for number, (text, _, gapped) in enumerate(rows))  # fmt: skip
    return Layout(size=(width, height), lines=tuple(lines), said=said)


def _fitting(text: str, face: Face, size: int, width: int) -> int:
    """Return the size, or the largest that is not wider."""
    return min(size, max(8, int(size * width / max(1.0, font(face, size).getlength(text)))))
