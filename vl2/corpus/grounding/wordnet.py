"""WordNet: synonyms and broader nouns from the files of WordNet 3.0 (`index.noun`, `data.noun`), where installed.

Debian has them in wordnet-base. The format is that of the wndb(5WN) and wninput(5WN) manual pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from vl2.core.errors import VL2Error

_BROADER = ("@", "@i")  # pointers to hypernyms, of kinds and of instances
_LICENCE = "  "  # lines of the licence begin with two spaces


class WordNet:
    """The nouns of one installation."""

    def __init__(self, folder: str) -> None:
        """Read both files. Raises VL2Error."""
        try:
            index = (Path(folder) / "index.noun").read_text(encoding="utf-8").splitlines()
            data = (Path(folder) / "data.noun").read_text(encoding="utf-8").splitlines()
            self._senses = dict(_index_row(line.split()) for line in index if not line.startswith(_LICENCE))
            self._broader = dict(_data_row(line.split(" | ")[0].split()) for line in data if line[:2] != _LICENCE)
        except (OSError, ValueError, IndexError) as error:
            do = "Install wordnet-base, or leave the setting out."
            raise VL2Error(folder, f"no WordNet here: {str(error)[:80]}", do=do) from None

    def senses(self, words: Sequence[str]) -> set[str]:
        """Return the synsets of a noun of one or more words, of its last words where the whole is unknown."""
        for start in range(len(words)):
            found = self._senses.get("_".join(words[start:]))
            if found:
                return set(found)
        return set()

    def with_broader(self, synsets: set[str]) -> set[str]:
        """Return the synsets and all above them."""
        found, left = set[str](), list(synsets)
        while left:
            synset = left.pop()
            if synset not in found:
                found.add(synset)
                left += self._broader.get(synset, ())
        return found

    def covers(self, one: Sequence[str], other: Sequence[str]) -> bool:
        """Tell whether a sense of one name is a sense of the other, or lies above or under one."""
        first, second = self.senses(one), self.senses(other)
        return bool(first & self.with_broader(second) or second & self.with_broader(first))


@cache
def load_wordnet(folder: str) -> WordNet:
    """Return the nouns of a folder, read once in a process. Raises VL2Error."""
    return WordNet(folder)


def _index_row(cells: list[str]) -> tuple[str, tuple[str, ...]]:
    """Read `lemma pos synset_cnt p_cnt [symbol..] sense_cnt tagsense_cnt offset..`."""
    count = int(cells[2])
    return cells[0], tuple(cells[len(cells) - count :])


def _data_row(cells: list[str]) -> tuple[str, tuple[str, ...]]:
    """Read `offset file type w_cnt word lex_id .. p_cnt (symbol offset pos source_target)..`."""
    at = 4 + 2 * int(cells[3], 16)
    pointers = [cells[at + 1 + 4 * number : at + 5 + 4 * number] for number in range(int(cells[at]))]
    return cells[0], tuple(offset for symbol, offset, pos, _ in pointers if symbol in _BROADER and pos == "n")
