"""Chart faces: the fonts of charts and tables, and how wide words are in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import matplotlib
from PIL import ImageFont

from vl2.core.errors import VL2Error

_SHIPPED = "matplotlib"  # the folder of fonts that comes with matplotlib
_NOTO, _LIBERATION = "/usr/share/fonts/opentype/noto", "/usr/share/fonts/truetype/liberation"
_SIMPLIFIED = 2  # of the fonts in Noto's collections, which differ in how characters are written
FACES: dict[str, tuple[str, str, str, int, str]] = {  # folder, regular, bold, which of a collection, Debian package
    "dejavu": (_SHIPPED, "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", 0, ""),
    "dejavu_serif": (_SHIPPED, "DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf", 0, ""),
    "stix": (_SHIPPED, "STIXGeneral.ttf", "STIXGeneralBol.ttf", 0, ""),
    "liberation": (_LIBERATION, "LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf", 0, "fonts-liberation"),
    "noto": (_NOTO, "NotoSansCJK-Regular.ttc", "NotoSansCJK-Bold.ttc", _SIMPLIFIED, "fonts-noto-cjk"),
    "noto_serif": (_NOTO, "NotoSerifCJK-Regular.ttc", "NotoSerifCJK-Bold.ttc", _SIMPLIFIED, "fonts-noto-cjk"),
}
CHINESE_FACES = ("noto", "noto_serif")


@dataclass(frozen=True)
class FaceFile:
    """A font as files have it."""

    path: str
    index: int


@cache
def face_file(face: str, *, bold: bool = False) -> FaceFile:
    """Return the file of a face. Raises VL2Error on an unknown face, and on one that is not installed."""
    if face not in FACES:
        raise VL2Error("face", "no such face", got=face, expected=", ".join(FACES))
    folder, regular, heavy, index, package = FACES[face]
    place = Path(matplotlib.get_data_path()) / "fonts" / "ttf" if folder == _SHIPPED else Path(folder)
    path = place / (heavy if bold else regular)
    if not path.is_file():
        raise VL2Error("face", "a font is not installed", got=path.name, do=f"Install {package or 'matplotlib'}.")
    return FaceFile(str(path), index)


@lru_cache(maxsize=128)
def lettering(face: str, size: float, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return a face at a size in pixels."""
    file = face_file(face, bold=bold)
    return ImageFont.truetype(file.path, size, index=file.index)


@lru_cache(maxsize=1 << 14)
def width_of(text: str, face: str, size: float, *, bold: bool = False) -> float:
    """Return how wide a line of text is, in pixels."""
    return lettering(face, size, bold=bold).getlength(text)


def widest(texts: tuple[str, ...], face: str, size: float) -> float:
    """Return the width of the widest text, 0 of none."""
    return max((width_of(text, face, size) for text in texts), default=0.0)


def wrapped(text: str, width: float, face: str, size: float, *, bold: bool = False) -> list[str]:
    """Return a text as lines of at most a width, cut between words or Chinese characters where that is possible."""
    lines, line = [], ""
    for piece in _pieces(text):
        if line and width_of((line + piece).rstrip(), face, size, bold=bold) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    return [*lines, line.rstrip()] if line.strip() else lines


def _pieces(text: str) -> list[str]:
    """Return what stays together in a line: words with the space behind them, single Chinese characters."""
    found: list[str] = []
    for character in text:
        is_wide = ord(character) > 0x2E80
        starts = not found or (is_wide and character not in "，。：；、）！？") or found[-1].endswith(" ")
        starts = starts or (not is_wide and ord(found[-1][-1]) > 0x2E80)
        if starts and not (found and found[-1].endswith(("（", "“"))):
            found.append(character)
        else:
            found[-1] += character
    return found
