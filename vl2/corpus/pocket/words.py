"""Words: what is written in the pictures, with a tenth of the words kept for the held-out split."""

from __future__ import annotations

import random
import zlib
from functools import lru_cache
from importlib import metadata

from vl2.core.errors import VL2Error
from vl2.corpus.pocket.canvas import Split

WORD_PACKAGE = "wonderwords"
WORD_FILES = ("nounlist.txt", "adjectivelist.txt", "verblist.txt")
HELDOUT_TENTH = 0  # words whose hash ends in this digit never appear in training
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
NAMES = (
    "Tom", "Ann", "Bob", "Eva", "Max", "Mia", "Leo", "Zoe", "Ben", "Amy", "Jan", "Lea", "Sam", "Kim", "Ian", "Ada",
    "Roy", "Liz", "Tim", "Pam", "Joe", "Sue", "Dan", "May", "Ray", "Ivy", "Ken", "Una", "Gus", "Nora", "Paul", "Rosa",
    "Hugo", "Lisa", "Mark", "Jane", "Omar", "Ella", "Finn", "Kate", "Noah", "Ruth", "Alex", "Dora", "Emil", "Vera",
)  # fmt: skip
GOODS = (
    "milk", "bread", "tea", "coffee", "apples", "rice", "soap", "eggs", "cheese", "butter", "sugar", "salt", "juice",
    "pasta", "soup", "cake", "water", "honey", "beans", "fish", "ham", "pears", "grapes", "onions", "carrots", "oil",
    "flour", "nuts", "plums", "lemons", "yogurt", "cream", "pizza", "salad", "candy", "jam", "corn", "beef", "wine",
    "pens", "paper", "socks", "towel", "candle", "brush", "book", "map", "lamp", "ticket", "stamp",
)  # fmt: skip
CITIES = (
    "Rome", "Paris", "Oslo", "Lima", "Cairo", "Delhi", "Tokyo", "Bonn", "Kyiv", "Riga", "Bern", "Doha", "Accra",
    "Quito", "Seoul", "Turin", "Milan", "Porto", "Sofia", "Minsk", "Perth", "Miami", "Leeds", "Ghent", "Basel",
)  # fmt: skip
SHOP_KINDS = ("Shop", "Store", "Market", "Cafe", "Bakery", "Deli", "Mart", "Foods")
VOWELS, CONSONANTS = "aeiou", "bcdfghklmnprstvwz"
CODE_LETTERS, DIGITS = "ABCDEFGHJKLMNPQRSTUVWXYZ", "0123456789"


@lru_cache(maxsize=2)
def words(split: Split) -> tuple[str, ...]:
    """Return the split's lower-case words of 2 to 12 letters, sorted; VL2Error when the word package is missing."""
    found = _read("profanitylist.txt")
    everything = set().union(*(_read(name) for name in WORD_FILES)) - found
    kept = (word for word in everything if word.isascii() and word.isalpha() and 2 <= len(word) <= 12)
    return tuple(sorted(word for word in kept if is_heldout(word) == (split == "heldout")))


def is_heldout(word: str) -> bool:
    """Tell whether a word belongs to the held-out tenth."""
    return zlib.crc32(word.lower().encode()) % 10 == HELDOUT_TENTH


def pick_word(rng: random.Random, split: Split, longest: int = 12) -> str:
    """Choose a dictionary word of at most `longest` letters, lower case."""
    return rng.choice(_words_up_to(split, longest))


def pick_distinct(rng: random.Random, split: Split, pool: tuple[str, ...], num: int, longest: int) -> list[str]:
    """Choose different entries, mostly from `pool`, else dictionary words; `train` skips the pool's held-out tenth."""
    usable = [word for word in pool if len(word) <= longest and (split == "heldout" or not is_heldout(word))]
    loose = 0.25 if split == "train" else 0.5
    chosen: dict[str, str] = {}
    while len(chosen) < num:
        word = pick_word(rng, split, longest) if rng.random() < loose else rng.choice(usable)
        word = word.capitalize() if pool[0][0].isupper() else word
        chosen.setdefault(word.lower(), word)
    return list(chosen.values())


def recase(rng: random.Random, word: str) -> str:
    """Write a word in lower, Capitalised or UPPER case."""
    roll = rng.random()
    return word if roll < 0.45 else word.capitalize() if roll < 0.75 else word.upper()


def pick_token(rng: random.Random, split: Split, longest: int = 12) -> str:
    """Choose anything that may be written: mostly words, else numbers, prices, dates, codes or invented words."""
    roll = rng.random()
    if roll < 0.62:
        return recase(rng, pick_word(rng, split, longest))
    if roll < 0.72:
        return recase(rng, invent_word(rng, split))[:longest]
    makers = (_number, _number, pick_price, _code, _code, _date, _time, _percent, _scribble)
    return rng.choice(makers)(rng)[:longest]


def invent_word(rng: random.Random, split: Split) -> str:
    """Make up a pronounceable word, so that reading does not lean on the dictionary."""
    while True:
        syllables = rng.randint(1, 3)
        word = "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) + rng.choice(("", "", "n", "r", "s", "t", "l"))
                       for _ in range(syllables))  # fmt: skip
        if is_heldout(word) == (split == "heldout"):
            return word


def pick_price(rng: random.Random) -> str:
    """Choose a price such as 4.20, sometimes with a currency sign."""
    amount = f"{rng.randint(0, 99)}.{rng.randint(0, 99):02d}"
    return f"${amount}" if rng.random() < 0.25 else amount


def _number(rng: random.Random) -> str:
    digits = rng.randint(1, 6)
    value = rng.randrange(10 ** (digits - 1) if digits > 1 else 0, 10**digits)
    return f"{value:,}" if value > 999 and rng.random() < 0.25 else str(value)


def _code(rng: random.Random) -> str:
    letters = "".join(rng.choice(CODE_LETTERS) for _ in range(rng.randint(1, 3)))
    digits = "".join(rng.choice(DIGITS) for _ in range(rng.randint(1, 4)))
    roll = rng.random()
    if roll < 0.4:
        return f"{letters}{rng.choice(DIGITS)}-{digits}"
    return f"{letters}-{digits}" if roll < 0.7 else f"#{digits}{letters}" if roll < 0.85 else letters + digits


def _date(rng: random.Random) -> str:
    year, month, day = rng.randint(1980, 2039), rng.randint(1, 12), rng.randint(1, 28)
    roll = rng.random()
    if roll < 0.4:
        return f"{year}-{month:02d}-{day:02d}"
    return f"{day:02d}/{month:02d}/{year}" if roll < 0.7 else f"{day} {MONTHS[month - 1]} {year}"


def _time(rng: random.Random) -> str:
    return f"{rng.randint(0, 23)}:{rng.randint(0, 59):02d}"


def _percent(rng: random.Random) -> str:
    return f"{rng.randint(0, 100)}%"


def _scribble(rng: random.Random) -> str:
    # Every printable ASCII character must be seen sometimes, in no useful order.
    return "".join(chr(rng.randint(33, 126)) for _ in range(rng.randint(2, 6)))


@lru_cache(maxsize=32)
def _words_up_to(split: Split, longest: int) -> tuple[str, ...]:
    return tuple(word for word in words(split) if len(word) <= longest)


def _read(name: str) -> set[str]:
    try:
        files = metadata.files(WORD_PACKAGE) or []
    except metadata.PackageNotFoundError as error:
        raise VL2Error("words", f"{WORD_PACKAGE} is not installed", do="Run pip install vl2[corpus].") from error
    found = next((file for file in files if file.name == name), None)
    if found is None:
        raise VL2Error("words", f"{WORD_PACKAGE} lacks a list", got=name, do="Run pip install vl2[corpus].")
    return {line.strip().lower() for line in str(found.read_text(encoding="utf-8")).splitlines()}
