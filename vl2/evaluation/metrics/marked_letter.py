"""The letter that lmms reads: the surest way in which one is marked, the last one of these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

MOST_READ = 1 << 16  # letters of an answer; no model says more, only one that does not stop, and it chooses nothing
DEFAULT_LETTERS = "ABCDEFGH"
EDGE = (",", ".", "!", "?", ";", ":", "'", '"')
START, END, PHRASE, PARENTHESES, PERIOD, COLON, RIGHT_PARENTHESIS, SPACE, ANYWHERE = 10, 9, 7, 6, 5, 4, 3, 2, 0
MARKED = (("({})", PARENTHESES), ("{}.", PERIOD), ("{}:", COLON), ("{})", RIGHT_PARENTHESIS), ("{} ", SPACE))
ANNOUNCED = (
    *(f"{word} is" for word in ("answer", "correct option", "best option", "choice")),
    "i choose", "i select", "i pick", "옵션", "정답은", "답은", "답:", "答案是", "答案为", "选", "答えは",
)  # fmt: skip


def read_marked_letter(said: str, letters: Iterable[str] = DEFAULT_LETTERS) -> str:
    """Return the letter, "" when none of them is anywhere in the answer."""
    text = said.strip() if len(said) <= MOST_READ else ""
    for mark in EDGE:
        text = text.strip(mark)
    if not text:
        return ""
    letters = list(letters) or list(DEFAULT_LETTERS)
    padded = f" {text} "
    found = [*_marked(padded, letters), *_announced(padded, letters), *_at_the_edges(padded, letters)]
    if not found:
        found = [(ANYWHERE, padded.rfind(letter), letter) for letter in letters if letter in padded]
    best = max(found, key=lambda candidate: candidate[:2], default=None)  # of equals the first
    return best[2] if best else ""


Candidate = tuple[int, int, str]  # how sure, where, which letter


def _marked(text: str, letters: list[str]) -> Iterator[Candidate]:
    for form, sureness in MARKED:
        for letter in letters:
            place = text.rfind(form.format(letter))
            if place >= 0:
                yield sureness, place, letter


def _announced(text: str, letters: list[str]) -> Iterator[Candidate]:
    lower = text.lower()
    for phrase in ANNOUNCED:
        begin = lower.find(phrase)
        if begin < 0:
            continue
        for letter in letters:
            place = text.find(letter, begin + len(phrase))
            if place >= 0:
                yield PHRASE, place, letter


def _at_the_edges(padded: str, letters: list[str]) -> Iterator[Candidate]:
    text = padded.strip()
    for letter in letters:
        if text.startswith(letter) and not text[1:2].isalpha():
            yield START, 0, letter
        if text.endswith(letter) and not text[-2:-1].isalpha():
            yield END, len(padded) - 1, letter
