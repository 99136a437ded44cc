"""Clip names: what a clip art picture shows, of a title that may be its collection's, and of the name of its file.

Titles were often written once for a whole collection ("Lemon SVG theme"), and file names end in those of authors, cut
off. A title counts when it shares a word with its file. The name of a file counts when all of its words are English
ones that we have looked at; those are in `words.txt`.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from vl2.data.faults import RowError

MOST_POINTS = 20  # of a star that a person still counts
LONGEST_NAME = 60
_COLLECTION = re.compile(
    r"clip ?arts?\b|collection|icon-?set|theme|etiquette|aiga|symbol_signs|\bsigns$|mission|maps$|cliparts|^moons$"
    r"|^pc connectors|^map symbols|^chess pieces|rules illustration|^people$|^various",
    re.IGNORECASE,
)
_CREDIT = re.compile(r"^clipart by [^-]{1,40} - ", re.IGNORECASE)
_ITALIAN = re.compile(r"rollandin|architetto", re.IGNORECASE)  # an author of many pictures with Italian titles
_FOREIGN = frozenset(
    """abeille acquila ambulans amibe amibes arbre as asso autos aviso bienvenue bitte bobine bretagne calebasse
    carreau cartes charge chaussee chaussée civiere coccinelle colori comburant corrosif couronne croche
    cronometro danger defense derbouk diamante direction disquete douche echelle engrenagem entree estrella
    extincteur extremement facilement fiore flamand flamme formulario francobollo galette gauffre generale gim
    glace gpride griglia grune herbaty incendie interdiction jin keine ksiega kubek lauburu libellule mante
    manutention mapa moschito municipios nocif nuage numero obligation obligatoire ours pansement passo pasteque
    pennello pietons piramide porcinet preenchimento premiers pudim punaisa radiations rayonnement recznik
    rincage rios risque rondelle sapin sauvetage secours securite simbol sortie spaclu stara suisse teide toros
    toxique trebuchement trefle triskel umano vacca vehicules velocette vtt zielony""".split()
)  # words of titles in French, Italian, Spanish, Portuguese and Polish: rows call themselves English
_UNFIT = frozenset(
    """beckham blots bofish bpoe cannabis chomper gallows jabbear jonathon kallisti lam lesbian mcoon mhooo mygraph
    otto pimp sexy shaezy silvia skoynk squeek stripper zinf""".split()
)  # words of titles that tell nothing of what is shown, or that nobody is to be taught
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[^\W\d_]+")
_SMALL_WORDS = frozenset("a an and of the in on with to for by at no not or from up off cd tv pc".split())
_JUNK = frozenset("md hash svg icon clipart r bw arch contour aiga gnome mime fs stock simple shaded outline".split())
_STAR = re.compile(r"star_(\d{1,3})pt(\d{1,3})step")
_CARD = re.compile(r"[a-z]+_([cdhs])_(10|[2-9ajqk])")
_SUITS = {"c": "clubs", "d": "diamonds", "h": "hearts", "s": "spades"}
_RANKS = {"a": "ace", "j": "jack", "q": "queen", "k": "king", "2": "two", "3": "three", "4": "four", "5": "five",
          "6": "six", "7": "seven", "8": "eight", "9": "nine", "10": "ten"}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a drawing says of itself."""

    title: str
    description: str
    keywords: tuple[str, ...]
    creator: str
    licence: str


def clip_name(file: str, told: Told) -> str:
    """Return what a picture shows. Raises RowError when neither title nor file tells it in English."""
    path = PurePosixPath(file)
    if found := _STAR.fullmatch(path.stem):
        return _star(int(found[1]))
    if path.parent.parent.name == "cards" and (found := _CARD.fullmatch(path.stem)):
        return f"the {_RANKS[found[2]]} of {_SUITS[found[1]]}"
    own = _words_of_file(path.stem, told.creator)
    title = _cleaned(told.title)
    if title and not _COLLECTION.search(told.title) and _share_a_word(words_of(title), own):
        return _of_title(title, told)
    if not own or not all(word in _known() or word in _SMALL_WORDS for word in own):
        raise RowError("a file whose name is not in English words")
    return " ".join(own)


def words_of(text: str) -> list[str]:
    """Return the words of a text, in lower case; those that are written together in capitals apart."""
    return [word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text))]


def _star(points: int) -> str:
    if points > MOST_POINTS:
        raise RowError("a star with more points than one counts")
    return f"a star with {points} points"


def _of_title(title: str, told: Told) -> str:
    words = words_of(title)
    is_italian = _ITALIAN.search(f"{told.creator} {told.title} {' '.join(told.keywords)}") is not None
    if any(word in _FOREIGN for word in words) or (is_italian and not all(word in _known() for word in words)):
        raise RowError("a title that is not in English")
    if len(title) > LONGEST_NAME or "@" in title or any(word in _UNFIT for word in words):
        raise RowError("a title that is no name")
    return title if len(words) > 1 else title.lower()


def _words_of_file(stem: str, creator: str) -> list[str]:
    """Return the words of a file's name without those of its author, of which the last is cut off somewhere."""
    author = words_of(creator)
    words = [word for word in words_of(stem) if word not in _JUNK]
    return [word for word in words if not any(name.startswith(word) for name in author)]


def _cleaned(title: str) -> str:
    title = html.unescape(_CREDIT.sub("", title))
    title = re.sub(r"\(b and w\)|\bbw\b|-aj\b|\.svg$", "", title.replace("_", " "), flags=re.IGNORECASE)
    return " ".join(re.sub(r"#|\s-\s|[-\s]*\d+$", " ", _CAMEL.sub(" ", title)).split()).strip(" .-")


def _share_a_word(one: list[str], other: list[str]) -> bool:
    return any(a.startswith(b) or b.startswith(a) for a in one for b in other if min(len(a), len(b)) > 2)


@cache
def _known() -> frozenset[str]:
    return frozenset(Path(__file__).with_name("words.txt").read_text(encoding="utf-8").split())
