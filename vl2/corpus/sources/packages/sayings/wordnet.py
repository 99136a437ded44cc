"""WordNet entries: a question about a word in its most frequent sense (Debian: wordnet-base, WordNet 3.0).

Layouts are those of wndb(5WN) and wninput(5WN): index files name the senses of a word, the most frequent first, and
data files hold a sense at the byte that its number tells. Words without counts in texts are left out.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.corpus.source import Source
from vl2.corpus.sources.packages.documents.whole_texts import WholeText, read_whole
from vl2.corpus.sources.source_format import Raw, SourceFormat, number, text
from vl2.corpus.sources.wordings import asked
from vl2.data.faults import RowError

PARTS = {"n": "noun", "v": "verb", "a": "adjective", "r": "adverb"}
_ARTICLES = {"n": "a", "v": "a", "a": "an", "r": "an"}
_FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
_LICENCE_LINE = "  "
_WORD = re.compile(r"[a-z][a-z'-]{2,}(?:_[a-z]{2,})?\Z")
_SYNTAX = re.compile(r"\((?:a|p|ip)\)\Z")  # where an adjective may stand
_SAID = re.compile(r";? ?\"(?P<said>[^\"]{8,160})\"(?:[^\";]{0,40})")
_COARSE = frozenset("sexual genitals copulate obscene vulgar slur offensive intercourse disparaging".split())
_KINDS, _OPPOSITE = ("@", "@i"), "!"

MEANS = (
    "What does the {part} “{word}” mean?", "Define “{word}” as {a_part}.", "Explain the {part} “{word}”.",
    "Give the most common meaning of the {part} “{word}”.",
)  # fmt: skip
NAMED = ("Which {part} means this: {gloss}?", "Find the {part} for this meaning: {gloss}.",
         "I am looking for {a_part} that means “{gloss}”.")  # fmt: skip
SAME = ("What is another word for “{word}” ({gloss})?", "Give synonyms of the {part} “{word}” ({gloss}).",
        "Which words mean the same as “{word}”, in the sense of “{gloss}”?")  # fmt: skip
KIND = ("What kind of thing is meant by “{word}”?", "What is “{word}” a kind of?", "Name a broader term for “{word}”.")
OPPOSITE = ("What is the opposite of “{word}” ({gloss})?", "Name the antonym of the {part} “{word}” ({gloss}).")
USED = ("Use the {part} “{word}” in a sentence.", "Give an example of how the {part} “{word}” is used.",
        "Show me “{word}” as {a_part} in a sentence.")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sense:
    """One synset: its words, what it means, how it is used, and pointers as (symbol, offset, part, from, to)."""

    words: tuple[str, ...]
    gloss: str
    examples: tuple[str, ...]
    pointers: tuple[tuple[str, int, str, int, int], ...]


def open_words(source: Source) -> list[WholeText]:
    """Open the index files of a folder."""
    return [WholeText(str(Path(source.path) / f"index.{name}"), _cut_index) for name in _FILES.values()]


def read_word(raw: Raw) -> Sample:
    """Return a question about a word and its answer. Raises RowError on a word of which nothing can be asked."""
    word, part, offset = text(raw.record, "word"), text(raw.record, "part"), int(number(raw.record, "offset"))
    if part not in PARTS or not _WORD.match(word):
        raise RowError("not a word of these files")
    sense = sense_at(raw.pictures.location, part, offset)
    if _COARSE & set(re.findall(r"[a-z]+", sense.gloss)):
        raise RowError("a coarse word")
    spoken = word.replace("_", " ")
    if spoken not in sense.words:
        raise RowError("a word that its sense does not hold")
    question, answer = _ask(raw.pictures.location, spoken, part, sense)
    return Sample(raw.name, asked(question, answer, 0), provenance={"metadata": {"word": spoken, "part": PARTS[part]}})


def sense_at(folder: str, part: str, offset: int) -> Sense:
    """Return the sense that begins at a byte of a data file. Raises RowError where none does."""
    data = _data(folder, _FILES[part])
    line = data[offset : offset + 20_000].partition(b"\n")[0].decode("ascii", "replace") if offset >= 0 else ""
    if not line.startswith(f"{offset:08d} "):
        raise RowError("no sense at this place")
    cells, _, told = line.partition(" | ")
    return _sense(cells.split(), told)


def _sense(cells: list[str], told: str) -> Sense:
    """Read `offset file type w_cnt word lex_id .. p_cnt (symbol offset pos source_target)..` and the gloss."""
    num_words = int(cells[3], 16)
    words = tuple(_SYNTAX.sub("", cells[4 + 2 * at]).replace("_", " ") for at in range(num_words))
    at = 4 + 2 * num_words
    pointers: list[tuple[str, int, str, int, int]] = []
    for place in range(at + 1, at + 1 + 4 * int(cells[at]), 4):
        symbol, offset, part, ends = cells[place : place + 4]
        pointers.append((symbol, int(offset), "a" if part == "s" else part, int(ends[:2], 16), int(ends[2:], 16)))
    examples = tuple(found["said"].strip() for found in _SAID.finditer(told))
    gloss = _SAID.sub("", told).partition(' "')[0].strip(" ;")
    if not gloss or '"' in gloss:
        raise RowError("a sense without a meaning that can be told")
    return Sense(words=words, gloss=gloss, examples=examples, pointers=tuple(pointers))


def _ask(folder: str, word: str, part: str, sense: Sense) -> tuple[str, str]:
    dice = random.Random(f"{word}|{part}")
    filled = {"word": word, "part": PARTS[part], "a_part": f"{_ARTICLES[part]} {PARTS[part]}", "gloss": sense.gloss}
    others = [other for other in sense.words if other.lower() != word.lower()]
    ways: list[tuple[tuple[str, ...], str]] = [(MEANS, _meaning(sense, word)), (MEANS, _meaning(sense, word))]
    if word not in re.findall(r"[a-z'-]+", sense.gloss):
        ways.append((NAMED, _listed([word, *others])))
    if others:
        ways.append((SAME, _listed(others)))
    if examples := _examples(sense, word):
        ways.append((USED, examples[0]))
    opposites = _pointed(folder, sense, _OPPOSITE, word)
    if opposites:
        ways += [(OPPOSITE, _listed(opposites))] * 2
    kinds = [kind for symbol in _KINDS for kind in _pointed(folder, sense, symbol, word)] if part == "n" else []
    if kinds:
        ways.append((KIND, f"{_capital(word)} is a kind of {kinds[0]}: {sense.gloss}."))
    pool, answer = dice.choice(ways)
    return dice.choice(pool).format(**filled), answer


def _meaning(sense: Sense, word: str) -> str:
    """Return what a word means, with a sentence that uses it where there is one."""
    used = _examples(sense, word)
    meaning = f"{_capital(sense.gloss)}."
    return f"{meaning} For example: {used[0]}" if used else meaning


def _examples(sense: Sense, word: str) -> list[str]:
    """Return sentences with the word, each as one sentence."""
    found = [said for said in sense.examples if re.search(rf"\b{re.escape(word)}", said) and len(said.split()) > 2]
    return [said if said.endswith((".", "?", "!")) else f"{said}." for said in map(_capital, found)]


def _pointed(folder: str, sense: Sense, symbol: str, word: str) -> list[str]:
    """Return the words that pointers of a kind lead to, from the whole sense or from this word."""
    found: list[str] = []
    for kind, offset, part, start, end in sense.pointers:
        if kind == symbol and (start == 0 or sense.words[start - 1] == word):
            found.append(sense_at(folder, part, offset).words[max(end - 1, 0)])
    return found


def _listed(words: list[str]) -> str:
    return f"{_capital(', '.join(words))}."


def _capital(said: str) -> str:
    return said[:1].upper() + said[1:]


def _cut_index(told: str) -> list[Mapping[str, Any]]:
    """Read `lemma pos synset_cnt p_cnt [symbol..] sense_cnt tagsense_cnt offset..`; words that texts hold stay."""
    found: list[Mapping[str, Any]] = []
    for line in told.splitlines():
        cells = line.split()
        if line.startswith(_LICENCE_LINE) or len(cells) < 7 or not _WORD.match(cells[0]):
            continue
        after = 4 + int(cells[3])
        if int(cells[after + 1]) > 0:
            found.append({"word": cells[0], "part": cells[1], "offset": int(cells[after + 2])})
    return found


@lru_cache(maxsize=8)
def _data(folder: str, name: str) -> bytes:
    try:
        return read_whole(Path(folder) / f"data.{name}").encode("ascii", "replace")  # a byte a character: places stay
    except VL2Error:
        raise RowError("no data file here") from None


WORDNET = {
    "wordnet": SourceFormat(
        open_rows=open_words, read=read_word, fields={"word": "text", "part": "text", "offset": "number"},
        licence="WordNet-3.0", url="https://wordnet.princeton.edu",
    ),
}  # fmt: skip
