"""Negatives: things to ask for that are surely not in an image.

Sure is only what a source labels everywhere: its own classes, or labels of the same image put together anew. A name
that covers a labelled one, is covered by it, or is another word for it, is never asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vl2.corpus.grounding.kinds import Kinds, words_of
from vl2.corpus.grounding.wordnet import WordNet


@dataclass(frozen=True)
class Names:
    """What is known of names: our table, and WordNet where it is installed."""

    kinds: Kinds
    wordnet: WordNet | None = None

    def may_be_same(self, one: str, other: str) -> bool:
        """Tell whether a thing of one name could be called by the other one."""
        first, second = self.kinds.read(one), self.kinds.read(other)
        if set(first.words) <= set(second.words) or set(second.words) <= set(first.words):
            return True
        if self._differ_in_colour(first.words, second.words):
            return False
        if first.kinds & second.broader or second.kinds & first.broader:
            return True
        # of unknown kinds, the last words tell most
        if not (first.kinds and second.kinds) and first.words[-1] == second.words[-1]:
            return True
        return self.wordnet is not None and self.wordnet.covers(first.words, second.words)

    def _differ_in_colour(self, first: Sequence[str], second: Sequence[str]) -> bool:
        """Tell whether both are a colour and the same words, and no one would take one colour for the other."""
        colours = self.kinds.colours
        if len(first) < 2 or first[1:] != second[1:] or first[0] not in colours or second[0] not in colours:
            return False
        return not colours[first[0]][1] & colours[second[0]][1]


def absent_names(present: Sequence[str], candidates: Iterable[str], names: Names) -> list[str]:
    """Return the candidates that are certain not to be among what is present, in order."""
    return [name for name in candidates if not any(names.may_be_same(name, label) for label in present)]


def crossed_names(present: Sequence[str], names: Names) -> list[str]:
    """Return colours and things of the same image put together anew, in order: the hardest to deny."""
    pairs = [words_of(label) for label in present]
    coloured = [words for words in pairs if len(words) > 1 and words[0] in names.kinds.colours]
    crossed = (" ".join((one[0], *other[1:])) for one in coloured for other in coloured)
    return list(dict.fromkeys(crossed))
