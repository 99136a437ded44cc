"""Clip captions: sentences about a clip art picture, of its name, its folder and what its author wrote of it."""

from __future__ import annotations

import random
import re
from pathlib import PurePosixPath

_KINDS = {
    "flags": "flag", "icons": "computer icon", "folders": "computer icon", "cards": "playing card",
    "map_symbols": "map symbol", "aiga-symbols": "sign", "roadsigns": "road sign", "patterns": "pattern",
    "gradients": "colour gradient", "logos": "logo", "jigsaw": "puzzle piece", "signs_and_symbols": "sign or symbol",
}  # fmt: skip
_OTHER = "clip art picture"
_CONTINENTS = frozenset(
    "africa america asia europe oceania".split()
)  # folders of flags that are named by their country
_UNSORTED = frozenset("unsorted duplicates special examples png".split())
_DESCRIBES = re.compile(r"(?:an?|the|two|three|four|some|several) [\x20-\x7e]{6,160}", re.IGNORECASE)
_OTHERWISE = re.compile(
    r"https?:|www\.|@|clip ?art|svg|created|converted|copyright|inkscape|licen[cs]e|site", re.IGNORECASE
)
_FORMS = ("{Kind}: {name}.", "This is {a kind}: {name}.", "{A kind}: {name}.", "{Name}, {a kind}.")


def categories_of(file: str) -> list[str]:
    """Return what the folders of a picture are called, the broadest first."""
    folders = [part for part in PurePosixPath(file).parent.parts if part not in _UNSORTED]
    return [folder.replace("_", " ") for folder in folders]


def kind_of(file: str) -> str:
    """Return what sort of picture the folders say that it is."""
    folders = reversed(PurePosixPath(file).parent.parts)
    return next((_KINDS[folder] for folder in folders if folder in _KINDS), _OTHER)


def caption_of(file: str, name: str, description: str, dice: random.Random) -> str:
    """Return one or two sentences in English."""
    said = _first_sentence(file, name, dice)
    described = " ".join(description.split()).strip(" .")
    if _DESCRIBES.fullmatch(described) and not _OTHERWISE.search(described) and described.lower() not in said.lower():
        said += f" {described[0].upper()}{described[1:]}."
    return said


def _first_sentence(file: str, name: str, dice: random.Random) -> str:
    folders = PurePosixPath(file).parent.parts
    if "flags" in folders and _CONTINENTS & set(folders) and "flag" not in name.lower():
        country = " ".join(
            word if word in ("and", "of", "the") else word[0].upper() + word[1:] for word in name.split()
        )
        return dice.choice((f"The flag of {country}.", f"This is the flag of {country}.", f"{country}: the flag."))
    kind = kind_of(file)
    a_kind = f"a {kind}"
    parts = {
        "Kind": _capital(kind), "a kind": a_kind, "A kind": _capital(a_kind), "name": name, "Name": _capital(name),
    }  # fmt: skip
    return re.sub(r"\{([\w ]+)\}", lambda place: parts[place[1]], dice.choice(_FORMS))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
