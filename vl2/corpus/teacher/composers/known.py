"""Known: what material tells of a picture, as fields, and names within sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vl2.corpus.filters.language import main_language

MOST_KEYWORDS = 4
_GENERIC = frozenset("symbol sign icon shape picture image unsorted people computer animal food".split())
_UNCOUNTED = frozenset(
    """bacon bread butter cheese coffee corn fire food garlic ginger glass hair honey ice information jazz lettuce
    lightning lemonade mail milk money music paint paper parking poison rain salad smoke snow soup storm sunshine tea
    water weather wine wood first second full""".split()
)  # names of one word that stand without an article
_ARTICLES = ("a ", "an ", "the ", "some ", "two ", "three ", "four ", "our ")


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a picture; empty where it is not told."""

    title: str
    title_zh: str
    kind: str
    kind_zh: str
    category: tuple[str, ...]
    category_zh: str
    keywords: tuple[str, ...]
    caption: str

    @property
    def is_chinese(self) -> bool:
        """Tell whether the picture's own caption is in Chinese."""
        return main_language(self.caption) == "zh"


def read_known(metadata: str, caption: str) -> Known:
    """Return the fields of `name: value` lines."""
    pairs = (line.partition(": ") for line in metadata.splitlines())
    fields = {name.strip(): value.strip() for name, _, value in pairs}

    def told(name: str) -> str:
        return fields.get(name, "")  # metadata are a stranger's: any field may be missing

    title = told("title")
    own = {_stem(word) for word in [*title.split(), *told("category").split(", "), told("kind")]}
    keywords = [word.replace("_", " ") for word in told("keywords").split(", ") if word]
    apart = [word for word in dict.fromkeys(keywords) if _stem(word) not in own and word not in _GENERIC]
    return Known(
        title=title, title_zh=told("title_zh"), kind=told("kind"), kind_zh=told("kind_zh"),
        category=tuple(part for part in told("category").split(", ") if part), category_zh=told("category_zh"),
        keywords=tuple(apart[:MOST_KEYWORDS]), caption=caption,
    )  # fmt: skip


def _stem(word: str) -> str:
    """Return a word as it is compared with others: without blanks, and without the ending of a plural."""
    return word.lower().replace(" ", "").removesuffix("s")


def noun_phrase(title: str) -> str:
    """Return a title as it stands within a sentence: with an article, or as a quotation when it is a name."""
    first, *others = title.split()
    lowered = title[0].lower() + title[1:]
    if lowered.startswith(_ARTICLES):
        return lowered
    if others or not first.isalpha() or first != first.lower():
        return f"“{title}”"
    if first in _UNCOUNTED or (first.endswith("s") and not first.endswith(("ss", "us", "is"))):
        return first
    return f"{'an' if first[0] in 'aeiou' else 'a'} {first}"


def listed(words: Sequence[str], joint: str = "and") -> str:
    """Return words as one enumeration."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joint} {words[-1]}"


def sentence(text: str) -> str:
    """Return a text that begins with a capital and ends with a full stop."""
    text = text.strip()
    capital = text[:1].upper() + text[1:]
    return capital if capital.endswith((".", "!", "?", "。", "！", "？", ".”", "!”", "?”")) else f"{capital}."
