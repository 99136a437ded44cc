"""Lines of text as pictures: their truth is what was drawn."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vl2.core.errors import ConfigError, VL2Error
from vl2.core.sample import Sample
from vl2.corpus.drawing.lines.faces import chinese_faces, covers, font, latin_faces
from vl2.corpus.drawing.lines.grounds import LEAST_CONTRAST, contrast, draw_ground
from vl2.corpus.drawing.lines.layout import FORMS, wrap
from vl2.corpus.drawing.lines.step import DrawLines, turned
from vl2.corpus.ingest import ingest
from vl2.corpus.pipelines.transcribe import reading
from vl2.corpus.source import Source
from vl2.corpus.sources.wordings import asked
from vl2.corpus.step import text_of
from vl2.data.faults import RowError
from vl2.processor import open_image

SAID = "The first sentence is here. The second follows it, a little longer than the first.\n\nA third one ends it all."


def said_of(sample: Sample) -> str:
    return text_of(sample, ("assistant",))


def drawn(said: str = SAID, **settings) -> Sample:
    step = DrawLines(**{"forms": {"paragraph": 1}, "fonts": "", **settings})
    row = ingest(Sample("a", asked("Say it.", said, 0)), Source(name="made", path=""))
    return step.change(row)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("form", sorted(set(FORMS) - {"page", "columns"}))
def test_lines_say_what_is_drawn_and_stand_in_the_picture(form, seed):
    row = drawn(forms={form: 1}, seed=seed, turned_share=0.5)
    image = open_image(row.images[0])
    assert said_of(row) == row.provenance["document"]
    assert [one.label for one in row.objects] == [line for line in said_of(row).split("\n") if line]
    assert all(word in SAID for word in said_of(row).split())
    for one in row.objects:
        left, top, right, bottom = one.box
        assert 0 <= left < right <= image.width
        assert 0 <= top < bottom <= image.height


def test_boxes_hold_the_ink_and_little_else():
    row = drawn(seed=2, turned_share=0.0)
    dark = np.asarray(open_image(row.images[0]).convert("L")).astype(int)
    ink = np.abs(dark - np.median(dark)) > 60
    assert ink.any()
    inside = np.zeros(ink.shape, bool)
    for one in row.objects:
        left, top, right, bottom = (round(corner) for corner in one.box)
        inside[top - 1 : bottom + 1, left - 1 : right + 1] = True
        rows, columns = np.nonzero(ink[top : bottom + 1, left : right + 1])
        assert rows.min() <= 2
        assert columns.min() <= 2
        assert right - left - columns.max() <= 4
    assert not ink[~inside].any()


def test_a_box_is_turned_as_pillow_turns_pictures():
    before = Image.new("L", (300, 200))
    before.paste(255, (40, 60, 90, 80))
    after = before.rotate(7.0, Image.Resampling.BICUBIC, expand=True)
    expected = after.point([0] * 128 + [255] * 128).getbbox()
    assert turned((40, 60, 90, 80), before.size, after.size, 7.0) == pytest.approx(expected, abs=1.5)


def test_the_same_row_is_drawn_in_the_same_bytes_and_another_seed_in_others():
    assert drawn(seed=1).images == drawn(seed=1).images
    assert drawn(seed=1).images != drawn(seed=2).images


def test_pages_and_columns_show_headings_without_their_marks():
    page = "# A title\n\n" + " ".join(f"Sentence number {number} is part of this page." for number in range(40))
    for form in ("page", "columns"):
        row = drawn(page, forms={form: 1}, seed=3)
        assert row.objects[0].label == "A title"
        assert len(row.objects) >= FORMS[form].lines[0]
    beside = [one.box[0] for one in row.objects]
    assert max(beside) > open_image(row.images[0]).width / 2


@pytest.mark.parametrize(
    ("said", "width", "expected"),
    [
        ("one two three four", 80, ["one two", "three four"]),
        ("a_word_that_is_wider_than_a_line", 90, None),
        ("", 80, []),
    ],
)
def test_lines_are_not_wider_than_asked_for(said, width, expected):
    face = latin_faces("")[0]
    lines = wrap(said, face, 16, width)
    assert expected is None or lines == expected
    assert "".join(lines).replace(" ", "") == said.replace(" ", "")
    assert all(font(face, 16).getlength(line) <= width for line in lines)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(RowError, match="too few lines"):
        drawn("Short.", forms={"page": 1})
    with pytest.raises(RowError, match="letters that no face has"):
        drawn("\U00013000\U00013001 \U00013002\U00013003.", forms={"line": 1})
    with pytest.raises(ConfigError, match="forms with weights"):
        DrawLines(forms={"banner": 1})
    with pytest.raises(VL2Error, match="a font is not installed"):
        chinese_faces("/nowhere")


@pytest.mark.parametrize("kind", ["plain", "paper", "gradient", "photo"])
@pytest.mark.parametrize("seed", range(6))
def test_inks_can_be_read_on_every_ground(kind, seed, tmp_path):
    noise = np.random.default_rng(seed).integers(0, 256, (90, 120, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    ground = draw_ground(kind, (160, 120), random.Random(seed), str(tmp_path))
    pixels = np.asarray(ground.image).reshape(-1, 3)
    greys = np.percentile(pixels @ [0.2126, 0.7152, 0.0722], (5, 95))
    for ink in (ground.ink, ground.accent):
        assert min(contrast(np.array(ink), np.full(3, grey)) for grey in greys) >= LEAST_CONTRAST - 0.1


@pytest.mark.skipif(not Path("/usr/share/fonts/truetype/arphic/ukai.ttc").is_file(), reason="needs Chinese fonts")
def test_chinese_is_drawn_in_a_face_that_has_it():
    row = drawn("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。" * 3, fonts="/usr/share/fonts", seed=5)
    assert row.provenance["language"] == "zh"
    assert set(said_of(row)) <= set("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。\n")
    assert not any(line.label[0] in "，。" for line in row.objects)
    assert all(covers(face, "白日依山尽") for face in chinese_faces("/usr/share/fonts"))


def test_a_page_of_which_an_engine_reads_nothing_is_all_errors():
    row = drawn()
    assert reading(row) == {}
    assert reading(replace(row, provenance={**row.provenance, "ocr": []})) == {"error": 1.0}
    assert reading(replace(row, provenance={**row.provenance, "ocr": said_of(row).split("\n")})) == {"error": 0.0}
