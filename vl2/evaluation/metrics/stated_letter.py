"""The letter that was stated last in the surest of several forms (MMMU, MMT-Bench)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

EDGE = (",", ".", "!", "?", ";", ":", "'")
# How a letter may be written, and by which of its places several ones are ranked. The text has a space at both ends.
OFFICIAL_FORMS = (("({})", "({})"), (" {} ", " {} "))
LMMS_FORMS = (("({})", "({})"), ("{} ", " {} "), ("{}.", " {} "))
MMT_FORMS = (("({})", " {} "), (" {} ", " {} "), ("{}.", " {} "))


def stated_letter(said: str, letters: Iterable[str], forms: Sequence[tuple[str, str]] = MMT_FORMS) -> str:
    """Return the letter of those that have the first form which any has, "" when none has one.

    Of several it is the one that stands last in the form that ranks them, of equals the first.
    """
    text = padded(said)
    for form, ranked_by in forms:
        found = [letter for letter in letters if form.format(letter) in text]
        if found:
            return max(found, key=lambda letter: text.rfind(ranked_by.format(letter)))
    return ""


def padded(said: str) -> str:
    """Return an answer without punctuation at its ends, between two spaces."""
    for mark in EDGE:
        said = said.strip(mark)
    return f" {said} "
