"""Faces of lines: the font files that texts are drawn with, and which of them have all letters of a text."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import ImageFont

from vl2.core.errors import VL2Error
from vl2.corpus.pocket.lettering import faces as package_faces
from vl2.data.faults import RowError

# Debian: fonts-dejavu, fonts-liberation, fonts-freefont-ttf, fonts-urw-base35, fonts-noto-core
_LATIN = """
truetype/dejavu/DejaVuSansCondensed truetype/dejavu/DejaVuSerifCondensed truetype/dejavu/DejaVuSerifCondensed-Italic
truetype/liberation/LiberationSans-Regular truetype/liberation/LiberationSans-Bold
truetype/liberation/LiberationSerif-Regular truetype/liberation/LiberationSerif-Bold
truetype/liberation/LiberationSerif-Italic truetype/liberation/LiberationMono-Regular
truetype/liberation/LiberationSansNarrow-Regular truetype/freefont/FreeSerif truetype/freefont/FreeSerifBoldItalic
truetype/freefont/FreeMono truetype/noto/NotoSans-Regular truetype/noto/NotoSans-BoldItalic
truetype/noto/NotoSerif-Regular truetype/noto/NotoSerif-Italic truetype/noto/NotoSerifDisplay-Bold
opentype/urw-base35/P052-Roman opentype/urw-base35/P052-Italic opentype/urw-base35/C059-Roman
opentype/urw-base35/C059-BdIta opentype/urw-base35/URWBookman-Light opentype/urw-base35/URWBookman-Demi
opentype/urw-base35/URWGothic-Book opentype/urw-base35/URWGothic-Demi opentype/urw-base35/NimbusSansNarrow-Bold
opentype/urw-base35/NimbusMonoPS-Regular opentype/urw-base35/Z003-MediumItalic
""".split()
# Debian: fonts-noto-cjk, fonts-arphic-ukai, fonts-wqy-microhei, fonts-wqy-zenhei; the number is that of mainland forms
_CHINESE = (
    ("opentype/noto/NotoSansCJK-Regular.ttc", 2), ("opentype/noto/NotoSansCJK-Bold.ttc", 2),
    ("opentype/noto/NotoSerifCJK-Regular.ttc", 2), ("opentype/noto/NotoSerifCJK-Bold.ttc", 2),
    ("truetype/arphic/ukai.ttc", 0), ("truetype/wqy/wqy-microhei.ttc", 0), ("truetype/wqy/wqy-zenhei.ttc", 0),
)  # fmt: skip


@dataclass(frozen=True)
class Face:
    """One face of a font file."""

    path: str
    number: int = 0


def pick_face(said: str, dice: random.Random, folder: str, *, chinese: bool) -> Face:
    """Return a face with all letters of a text. Raises RowError when none has them, VL2Error on missing packages."""
    known = [*chinese_faces(folder)] if chinese else [*latin_faces(folder)]
    while known:
        face = known.pop(dice.randrange(len(known)))
        if covers(face, said):
            return face
    raise RowError("a text with letters that no face has")


def covers(face: Face, said: str) -> bool:
    """Tell whether a face has all letters of a text."""
    return all(sign.isspace() or ord(sign) in _letters(face) for sign in set(said))


@cache
def latin_faces(folder: str) -> tuple[Face, ...]:
    """Return the faces of the project's own packages, and those of a folder of Debian's unless it is empty."""
    own = [Face(path) for path in package_faces(False)]
    found = [_existing(folder, (f"{name}.ttf", f"{name}.otf")) for name in _LATIN] if folder else []
    return (*own, *map(Face, found))


@cache
def chinese_faces(folder: str) -> tuple[Face, ...]:
    """Return the faces with Chinese letters. Raises VL2Error when one is not installed."""
    return tuple(Face(_existing(folder, (name,)), number) for name, number in _CHINESE)


@cache
def font(face: Face, size: int) -> ImageFont.FreeTypeFont:
    """Return a face at a size in pixels."""
    return ImageFont.truetype(face.path, size, index=face.number, layout_engine=ImageFont.Layout.BASIC)


def _existing(folder: str, names: tuple[str, ...]) -> str:
    found = [path for path in (Path(folder) / name for name in names) if path.is_file()]
    if not found:
        do = "Install the packages that recipes/offline/debian.txt names, or set fonts to an empty text."
        raise VL2Error("draw_lines", "a font is not installed", got=f"{folder}/{names[0]}", do=do)
    return str(found[0])


@cache
def _letters(face: Face) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font  # it reads the table of letters; faces of one file have the same

    return frozenset(FT2Font(face.path).get_charmap())
