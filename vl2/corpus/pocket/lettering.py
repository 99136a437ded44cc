"""Lettering: the font faces, and writing text glyph by glyph so that every glyph's box is exact."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import metadata

from PIL import Image, ImageDraw, ImageFont

from vl2.core.errors import VL2Error
from vl2.corpus.pocket.canvas import INK_ONLY, RGB, Picture, Split

# Package -> file stems. Only families whose licence allows redistribution (Apache, OFL, Bitstream Vera, STIX).
TRAIN_FACES: dict[str, tuple[str, ...]] = {
    "font-roboto": ("Roboto-Regular", "Roboto-Medium", "Roboto-Bold", "Roboto-Italic", "Roboto-Light"),
    "font-source-sans-pro": (
        "SourceSansPro-Regular", "SourceSansPro-Semibold", "SourceSansPro-Bold", "SourceSansPro-It",
    ),
    "font-source-serif-pro": (
        "SourceSerifPro-Regular", "SourceSerifPro-Semibold", "SourceSerifPro-Bold", "SourceSerifPro-It",
    ),
    "font-hanken-grotesk": ("HankenGrotesk-Regular", "HankenGrotesk-Medium", "HankenGrotesk-Bold"),
    "font-manrope": ("Manrope-Regular", "Manrope-SemiBold", "Manrope-ExtraBold"),
    "font-rhd": ("RedHatDisplay-Regular", "RedHatDisplay-Medium", "RedHatDisplay-Bold", "RedHatDisplay-Italic"),
    "matplotlib": (
        "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Bold",
        "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic",
    ),
}  # fmt: skip
HELDOUT_FACES: dict[str, tuple[str, ...]] = {
    "font-lato": ("Lato-Regular", "Lato-Bold", "Lato-Italic"),
    "font-caladea": ("Caladea-Regular", "Caladea-Bold", "Caladea-Italic"),
    "font-fjallaone": ("FjallaOne-Regular",),
}
SMALLEST_SIZE = 9


@dataclass(frozen=True)
class Style:
    """How a run of text looks: face file, size in pixels, colour and extra spacing in pixels."""

    face: str
    size: int
    colour: RGB
    spacing: int = 0


@dataclass(frozen=True)
class Glyph:
    """One rendered character: its ink mask, the ink's offset from the pen on the baseline, and the pen's advance."""

    mask: Image.Image | None
    left: int
    top: int
    width: int
    height: int
    advance: int


@dataclass(frozen=True)
class Extent:
    """The ink of a run relative to its pen start on the baseline (`top` is negative), and its advance."""

    left: int
    top: int
    right: int
    bottom: int
    advance: int


@lru_cache(maxsize=2)
def faces(heldout: bool) -> tuple[str, ...]:
    """Return the font files of one set, in a fixed order; VL2Error when a package is missing."""
    table = HELDOUT_FACES if heldout else TRAIN_FACES
    return tuple(path for package, stems in table.items() for path in _face_files(package, stems))


def pick_face(rng: random.Random, split: Split) -> str:
    """Choose a face: `train` never sees the held-out families."""
    return rng.choice(faces(split == "heldout"))


def measure(text: str, style: Style) -> Extent:
    """Return where the ink of `text` falls, without drawing it."""
    pen = left = top = right = bottom = 0
    face, size, spacing = style.face, style.size, style.spacing
    for char in text:
        glyph = _glyph(face, size, char)
        if glyph.mask is not None:
            start = pen + glyph.left
            if start < left:
                left = start
            if start + glyph.width > right:
                right = start + glyph.width
            if glyph.top < top:
                top = glyph.top
            if glyph.top + glyph.height > bottom:
                bottom = glyph.top + glyph.height
        pen += glyph.advance + spacing
    return Extent(left, top, right, bottom, pen)


def write(picture: Picture, x: int, baseline: int, text: str, style: Style) -> tuple[int, int, int, int]:
    """Draw `text` with the pen at (`x`, `baseline`), record its glyphs, and return its ink box."""
    pen, corners = x, []
    for char in text:
        glyph = _glyph(style.face, style.size, char)
        if glyph.mask is not None:
            left, top = pen + glyph.left, baseline + glyph.top
            box = (left, top, left + glyph.width, top + glyph.height)
            picture.image.paste(style.colour, box, glyph.mask)
            picture.record(char, box, "glyph")
            corners.append(box)
        pen += glyph.advance + style.spacing
    if not corners:
        return (x, baseline, x, baseline)
    return (
        min(c[0] for c in corners), min(c[1] for c in corners), max(c[2] for c in corners), max(c[3] for c in corners)
    )  # fmt: skip


def write_at(picture: Picture, left: int, top: int, text: str, style: Style) -> tuple[int, int, int, int]:
    """Draw `text` so that its ink starts at (`left`, `top`); return its ink box."""
    extent = measure(text, style)
    return write(picture, left - extent.left, top - extent.top, text, style)


@cache
def line_metrics(face: str, size: int) -> tuple[int, int]:
    """Return the ink above and below the baseline of ordinary letters, in pixels."""
    extent = measure("Hdlpgy0", Style(face, size, (0, 0, 0)))
    return -extent.top, extent.bottom


def _face_files(package: str, stems: tuple[str, ...]) -> list[str]:
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError as error:
        raise VL2Error("fonts", "package is not installed", got=package, do="Run pip install vl2[corpus].") from error
    by_stem = {file.stem: str(file.locate()) for file in reversed(files) if file.suffix in (".ttf", ".otf")}
    missing = [stem for stem in stems if stem not in by_stem]
    if missing:
        raise VL2Error("fonts", f"{package} lacks faces", got=missing, do="Run pip install vl2[corpus].")
    return [by_stem[stem] for stem in stems]


@cache
def _font(face: str, size: int) -> ImageFont.FreeTypeFont:
    # Basic layout: no ligatures or kerning, so that glyphs stand alone and their boxes are sums of advances.
    return ImageFont.truetype(face, size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=60_000)
def _glyph(face: str, size: int, char: str) -> Glyph:
    font = _font(face, size)
    advance = round(font.getlength(char))
    left, top, right, bottom = font.getbbox(char, anchor="ls")
    if right <= left or bottom <= top:
        return Glyph(None, 0, 0, 0, 0, advance)
    mask = Image.new("L", (int(right - left) + 2, int(bottom - top) + 2))
    ImageDraw.Draw(mask).text((1 - left, 1 - top), char, font=font, fill=255, anchor="ls")
    ink = mask.point(INK_ONLY).getbbox()
    if ink is None:
        return Glyph(None, 0, 0, 0, 0, advance)
    mask = mask.crop(ink)
    return Glyph(mask, int(left) - 1 + ink[0], int(top) - 1 + ink[1], mask.width, mask.height, advance)
