"""How answers of several tasks are scored."""

from __future__ import annotations

from vl2.evaluation.metrics.exact import exact
from vl2.evaluation.metrics.options import NO_OPTION, read_option
from vl2.evaluation.row import Row
from vl2.evaluation.verdict import Dialect, Verdict, judged, unparsed


def score_choice(row: Row, said: str, dialect: Dialect) -> Verdict:
    """Compare the chosen letter with the gold one; without options, the texts."""
    if not row.options:
        return judged(exact(said, row.answers[0]), said) if said.strip() else unparsed()
    return chosen(read_option(said, row.options, dialect), row)


def chosen(letter: str, row: Row) -> Verdict:
    """Return the verdict on a letter; none, or that of a refusal, was not an answer."""
    if letter in ("", NO_OPTION):
        return unparsed()
    return judged(float(letter == row.answers[0]), letter)


def without_full_stop(said: str) -> str:
    """Return an answer as the authors of the model handed theirs in."""
    return said.strip().rstrip(".")
