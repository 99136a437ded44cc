"""Two thousand broken and hostile files give an image or an ImageError: nothing else, quickly, in little memory."""

from __future__ import annotations

import io
import random
import resource
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator

import pytest
from PIL import Image

from vl2.core.errors import ImageError
from vl2.processor import image_size, open_image

NUM_FILES = 2000
MAX_GROWTH_MB, MAX_CPU_S, MAX_CPU_S_EACH = 400, 60, 5


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    # copies: saving as JPEG leaves settings behind in an image
    frames = (
        {"save_all": True, "append_images": [image.rotate(90), image.rotate(180)]} if options.pop("frames", 0) else {}
    )
    image.copy().save(stream, kind, **options, **frames)
    return stream.getvalue()


def whole_files() -> dict[str, bytes]:
    """Return small sound files of many kinds."""
    rng = random.Random(1)
    rgb = Image.frombytes("RGB", (40, 30), rng.randbytes(40 * 30 * 3))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture " * 5
    return {
        "png": encoded(rgb, "PNG", exif=exif),
        "png palette": encoded(rgb.convert("P"), "PNG", transparency=bytes(range(256))),
        "png 16 bit": encoded(Image.frombytes("I;16", (40, 30), rng.randbytes(2400)), "PNG"),
        "apng": encoded(rgb, "PNG", frames=True),
        "jpeg": encoded(rgb, "JPEG", exif=exif),
        "jpeg progressive": encoded(rgb, "JPEG", progressive=True),
        "jpeg cmyk": encoded(rgb.convert("CMYK"), "JPEG"),
        "mpo": encoded(rgb, "MPO", frames=True),
        "gif": encoded(rgb.convert("P"), "GIF", interlace=1),
        "gif frames": encoded(rgb, "GIF", frames=True),
        "webp": encoded(rgb, "WEBP", exif=exif),
        "webp lossless": encoded(rgb.convert("RGBA"), "WEBP", lossless=True),
        "webp frames": encoded(rgb, "WEBP", frames=True),
        "bmp": encoded(rgb, "BMP"),
        "bmp palette": encoded(rgb.convert("P"), "BMP"),
        "avif": encoded(rgb, "AVIF", exif=exif),
        **{
            f"tiff {compression}": encoded(rgb, "TIFF", compression=compression, exif=exif)
            for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")
        },
        "tiff float": encoded(Image.frombytes("F", (40, 30), rng.randbytes(4800)), "TIFF"),
        "tiff frames": encoded(rgb, "TIFF", frames=True),
    }


def damaged(data: bytes, number: int, rng: random.Random) -> bytes:
    """Return a copy that is cut, flipped, overwritten, or has a part doubled or removed."""
    broken = bytearray(data)
    at = rng.randrange(len(data))
    near_head = rng.randrange(min(len(data), 200))
    match number % 6:
        case 0 | 1:
            return bytes(broken[: (number * len(data)) // 80 or at])
        case 2:
            for _ in range(rng.choice((1, 3, 20))):
                broken[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case 3:
            broken[near_head : near_head + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\xff\0\0\0"))
        case 4:
            broken[at:at] = data[near_head : near_head + rng.randrange(1, 400)]
        case _:
            del broken[at : at + rng.randrange(1, 40)]
    return bytes(broken)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width: int, height: int, *chunks: bytes, depth: int = 8, color: int = 2) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


def tiff_of(*tags: tuple[int, int, int, int], tail: bytes = b"") -> bytes:
    body = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + body + bytes(4) + tail


def webp_of(width: int, height: int, frame: bytes) -> bytes:
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + size + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bombs() -> Iterator[bytes]:
    """Yield small files that claim or contain much."""
    zeros = zlib.compress(bytes(30_000 * 3_000), 9)
    sound = whole_files()
    yield png_of(30_000, 30_000, png_chunk(b"IDAT", zeros))
    yield png_of(30_000, 2_000, png_chunk(b"IDAT", zeros))  # few enough pixels, too little data
    for sides in ((2**31 - 1, 2**31 - 1), (2**31 - 1, 1), (0, 0), (0, 5), (2**32 - 1, 2**32 - 1), (13_000, 13_000)):
        yield png_of(*sides, png_chunk(b"IDAT", zeros[:500]))
    text = zlib.compress(bytes(50_000_000), 9)
    for chunk in (b"zTXt", b"iTXt", b"iCCP"):
        head = b"a\0\0" if chunk != b"iTXt" else b"a\0\1\0\0\0"
        yield png_of(4, 4, *[png_chunk(chunk, head + text)] * 40, png_chunk(b"IDAT", zlib.compress(bytes(52))))
    yield png_of(4, 4, png_chunk(b"abCd", b"") * 20_000, png_chunk(b"IDAT", zlib.compress(bytes(52))))
    for depth, color in ((1, 2), (16, 3), (3, 0), (8, 5), (16, 6), (255, 255)):
        yield png_of(4, 4, png_chunk(b"IDAT", zeros[:50]), depth=depth, color=color)
    head = sound["jpeg"].index(b"\xff\xc0")
    yield sound["jpeg"][: head + 5] + b"\xff\xff\xff\xff" + sound["jpeg"][head + 9 :]  # 65,535 x 65,535
    yield sound["jpeg"][:2] + b"\xff\xe1\0\x0bExif\0\0abc" * 30_000 + sound["jpeg"][2:]
    yield b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + sound["gif"][10:]
    yield sound["gif"].replace(b"\x28\0\x1e\0", b"\xff\xff\xff\xff")  # a frame larger than the screen
    yield b"BM" + sound["bmp"][2:18] + struct.pack("<ii", 2**31 - 1, -(2**31)) + sound["bmp"][26:]
    yield webp_of(16_384, 16_384, sound["webp lossless"][12:])
    yield webp_of(2**24, 2**24, sound["webp"][12:])
    sides = ((256, 3, 1, 60_000), (257, 3, 1, 60_000))
    yield tiff_of(*sides, (273, 4, 1, 8), (279, 4, 1, 100))
    yield tiff_of((256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (277, 3, 1, 65_535), (273, 4, 1, 8), (279, 4, 1, 64))
    many = [(tag, 1, 4_000_000, 8) for tag in range(1_000, 5_000)]  # four thousand tags of the same four megabytes
    yield tiff_of((256, 3, 1, 8), (257, 3, 1, 8), *many, tail=bytes(4_000_000))
    yield tiff_of((256, 3, 1, 8), (257, 3, 1, 8), (330, 4, 1, 8), (34_665, 4, 1, 8))  # directories in a circle


def strangers() -> Iterator[bytes]:
    """Yield what is no image at all, whatever it is called."""
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w") as archive:
        archive.writestr("a.png", bytes(1000))
    yield from (
        b"", b"\0", b"\x89PNG", b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0",
        b"MM\0*", b"RIFF\0\0\0\0WEBP", b"\0\0\0\x20ftypavif", b"P6 2 2 255\n" + bytes(12), b"%PDF-1.7",
        b"%!PS-Adobe-3.0 EPSF-3.0\n", b"<svg xmlns='http://www.w3.org/2000/svg' width='9'/>",
        b"<?xml version='1.0'?><svg/>",
        b"<!doctype html><script>1</script>", box.getvalue(), b"PK\x03\x04", b"\x7fELF" + bytes(64), b"#!/bin/sh\n",
        b"icns" + bytes(100), b"8BPS" + bytes(100), b"\0\0\1\0\1\0" + bytes(100), b"#define a_width 9\n", bytes(10_000),
        b"qoif" + bytes(100), b"SIMPLE  =                    T", "déjà vu, en texte".encode(),
    )  # fmt: skip


def hostile_files() -> Iterator[tuple[str, bytes]]:
    """Yield NUM_FILES files, the same at every run."""
    special = [("bomb", data) for data in bombs()] + [("stranger", data) for data in strangers()]
    yield from special
    sound = list(whole_files().items())
    rng = random.Random(2)
    for number in range(NUM_FILES - len(special)):
        name, data = sound[number % len(sound)]
        yield name, damaged(data, number // len(sound), rng)


@pytest.mark.filterwarnings("error")
def test_hostile_files(tmp_path, capfd):
    outcomes = {"image": 0, "ImageError": 0}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    for number, (name, data) in enumerate(hostile_files()):
        source = data
        if number % 4 == 0:  # also from files, mostly of a wrong ending
            source = tmp_path / f"file.{('png', 'jpg', 'svg', 'webp')[number // 4 % 4]}"
            source.write_bytes(data)
        begun = time.process_time()
        try:
            image = open_image(source, alpha="white" if number % 2 else "drop")
            outcomes["image"] += 1
            assert image.mode == "RGB" and image.width * image.height <= 64_000_000
            assert image_size(source) == image.size
        except ImageError as error:
            outcomes["ImageError"] += 1
            assert len(str(error).splitlines()) == 1
        except BaseException as error:
            raise AssertionError(f"{number} {name}: {type(error).__name__}: {error}") from error
        assert time.process_time() - begun < MAX_CPU_S_EACH, f"{number} {name}"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert sum(outcomes.values()) == NUM_FILES
    assert min(outcomes.values()) > 200, outcomes  # both ways are truly tried
    assert grown < MAX_GROWTH_MB
    assert time.process_time() - started < MAX_CPU_S
    assert capfd.readouterr() == ("", "")


def test_sound_files_open():
    for name, data in whole_files().items():
        assert open_image(data, exif=False).size == (40, 30) or name.startswith("tiff"), name
    exif = Image.Exif()
    exif[0x0112] = 9  # turns nothing
    data = encoded(Image.new("RGB", (40, 30)), "JPEG", exif=exif)
    assert image_size(data) == open_image(data).size == (40, 30)
