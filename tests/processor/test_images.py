"""Images of every kind, and those that are refused."""

from __future__ import annotations

import io
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from vl2.core.errors import ImageError
from vl2.core.sample import ImageSource
from vl2.processor import ImageLimits, image_size, open_image

RAMP = np.tile(np.arange(256, dtype=np.uint8), (4, 1))  # [4, 256]


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pixels(source, **options) -> np.ndarray:
    return np.asarray(open_image(source, **options))


def test_every_way_to_give_an_image(tmp_path):
    image = Image.effect_noise((20, 10), 90).convert("RGB")
    data = encoded(image, "PNG")
    path = tmp_path / "picture.dat"  # the content decides, not the name
    path.write_bytes(data)
    ways = (path, str(path), data, bytearray(data), memoryview(data), image, np.asarray(image),
            ImageSource(path=str(path)), ImageSource(data=data), ImageSource(path="moved", data=data))  # fmt: skip
    for source in ways:
        assert np.array_equal(pixels(source), np.asarray(image))
        assert image_size(source) == (20, 10)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_pil_modes_convert_as_released(mode):
    source = Image.effect_noise((16, 8), 90).convert("RGB")
    source = source.convert("P").convert("PA") if mode == "PA" else source.convert(mode)
    result = open_image(source)
    assert result.mode == "RGB"
    assert result.tobytes() == source.convert("RGB").tobytes()


def test_array_shapes():
    assert np.array_equal(pixels(RAMP), np.repeat(RAMP[:, :, None], 3, axis=2))
    with_alpha = np.dstack([RAMP] * 3 + [np.zeros_like(RAMP)])
    assert np.array_equal(pixels(with_alpha), with_alpha[:, :, :3])  # alpha is dropped, as released
    assert np.array_equal(pixels(np.asfortranarray(RAMP)), pixels(RAMP))
    for wrong in (RAMP.astype(float), RAMP[None, None], RAMP[:, :, None], np.zeros((0, 5), np.uint8)):
        with pytest.raises(ImageError, match="pixels"):
            open_image(wrong)


def test_alpha_on_white():
    image = Image.new("RGBA", (2, 1), (10, 20, 30, 0))
    image.putpixel((1, 0), (10, 20, 30, 255))
    assert pixels(image)[0].tolist() == [[10, 20, 30], [10, 20, 30]]
    assert pixels(image, alpha="white")[0].tolist() == [[255, 255, 255], [10, 20, 30]]


def test_palette_with_transparency_warns_nobody():
    image = Image.effect_noise((16, 8), 90).convert("P")
    data = encoded(image, "PNG", transparency=bytes(range(256)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(pixels(data), np.asarray(image.convert("RGB")))
        assert open_image(data, alpha="white").mode == "RGB"


def test_threads_leave_the_warning_filters_as_they_were():
    data = encoded(Image.effect_noise((16, 8), 90).convert("P"), "PNG", transparency=bytes(range(256)))
    filters = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        assert len({image.tobytes() for image in pool.map(open_image, [data] * 200)}) == 1
    assert list(warnings.filters) == filters


def test_sixteen_bits_are_scaled_not_clipped():
    deep = (RAMP.astype(np.uint16) * 257).astype(np.uint16)  # 0..65535
    for image in (Image.fromarray(deep), Image.fromarray(deep.astype(np.int32))):
        assert np.array_equal(pixels(image)[:, :, 0], RAMP)
    assert np.array_equal(pixels(encoded(Image.fromarray(deep), "PNG"))[:, :, 0], RAMP)
    assert np.array_equal(pixels(encoded(Image.fromarray(deep), "TIFF"))[:, :, 0], RAMP)
    big_endian = Image.frombytes("I;16B", (256, 4), deep.astype(">u2").tobytes())
    assert np.array_equal(pixels(big_endian)[:, :, 0], RAMP)


def test_float_modes():
    unit = RAMP.astype(np.float32) / 255
    assert np.array_equal(pixels(Image.fromarray(unit))[:, :, 0], RAMP)
    stretched = pixels(Image.fromarray(RAMP.astype(np.float32) * 10 - 500))
    assert np.array_equal(stretched[:, :, 0], RAMP)
    broken = unit.copy()
    broken[0, :3] = np.nan, np.inf, -np.inf
    assert pixels(Image.fromarray(broken))[0, :3, 0].tolist() == [0, 255, 0]
    assert pixels(Image.fromarray(np.full((2, 2), np.nan, np.float32))).max() == 0
    assert pixels(Image.fromarray(np.full((2, 2), 7.0, np.float32))).shape == (2, 2, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation(kind, orientation):
    image = Image.effect_noise((24, 16), 90).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(image, kind, exif=exif)
    decoded = Image.open(io.BytesIO(data))
    assert np.array_equal(pixels(data), np.asarray(ImageOps.exif_transpose(decoded).convert("RGB")))
    assert np.array_equal(pixels(data, exif=False), np.asarray(decoded.convert("RGB")))
    assert image_size(data) == open_image(data).size
    assert image_size(data, exif=False) == (24, 16)


def test_tiff_orientation_always_applies():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.new("RGB", (24, 16)), "TIFF", exif=exif)
    assert image_size(data) == open_image(data).size == open_image(data, exif=False).size == (16, 24)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_several(kind):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue", "lime")]
    data = encoded(
        frames[0], kind, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "WEBP" else {})
    )
    assert pixels(data)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    "address",
    ["http://example.org/a.png", "HTTPS://example.org/a.png", "file:///etc/passwd", "data:image/png;base64,AA"],
)
def test_addresses_are_not_fetched(address):
    with pytest.raises(ImageError, match="not fetched"):
        open_image(address)
    with pytest.raises(ImageError, match="not fetched"):
        open_image(ImageSource(path=address))


def test_paths_that_are_no_files(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, reason in (
        (tmp_path, "regular file"), (pipe, "regular file"), ("/dev/zero", "regular file"), ("", "names no image"),
        (tmp_path / "none.png", "no such file"), ("a\0b", "null"), ("x" * 5000, "name too long"), ("\ud800", "image"),
    ):  # fmt: skip
        with pytest.raises(ImageError, match=f"(?i){reason}") as caught:
            open_image(path)
        assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(ImageError, match="names no image"):
        open_image(ImageSource())
    with pytest.raises(ImageError, match="got int"):
        open_image(5)  # pyright: ignore[reportArgumentType]


def test_limits_hold_before_decoding(tmp_path):
    data = encoded(Image.new("L", (3000, 3000)), "PNG")
    limits = ImageLimits(max_pixels=1_000_000)
    for call in (open_image, image_size):
        with pytest.raises(ImageError, match="too many pixels .got 3000x3000"):
            call(data, limits=limits)
        with pytest.raises(ImageError, match="too many pixels"):
            call(Image.new("L", (3000, 3000)), limits=limits)
    path = tmp_path / "large.png"
    path.write_bytes(data)
    for source in (data, path):
        with pytest.raises(ImageError, match="too large"):
            open_image(source, limits=ImageLimits(max_bytes=100))


def test_slow_encodings_are_refused():
    row = bytes([2, 1, 0, 0])  # two pixels of colour 1, end of line
    body = row * 2 + b"\0\1"
    header = (
        b"BM" + (54 + 1024 + len(body)).to_bytes(4, "little") + bytes(4) + (54 + 1024).to_bytes(4, "little")
        + (40).to_bytes(4, "little") + (2).to_bytes(4, "little") * 2 + b"\1\0\x08\0" + (1).to_bytes(4, "little")
        + len(body).to_bytes(4, "little") + bytes(16)
    )  # fmt: skip
    with pytest.raises(ImageError, match="too slow"):
        open_image(header + bytes(1024) + body)


def test_many_exif_segments_are_refused():
    data = encoded(Image.new("RGB", (4, 4)), "JPEG")
    segment = b"\xff\xe1\x00\x0bExif\0\0abc"
    with pytest.raises(ImageError, match="EXIF"):
        open_image(data[:2] + segment * 1000 + data[2:])
    open_image(data[:2] + segment + data[2:])  # broken EXIF alone spoils no picture


def test_a_given_image_is_left_as_it_was():
    image = Image.new("RGBA", (3, 3), (1, 2, 3, 4))
    open_image(image, alpha="white")
    assert image.mode == "RGBA" and image.getpixel((0, 0)) == (1, 2, 3, 4)


def test_the_recorded_images_open(fixtures: Path):
    for path in sorted((fixtures / "images").glob("*.png")):
        assert open_image(path).tobytes() == Image.open(path).convert("RGB").tobytes()
