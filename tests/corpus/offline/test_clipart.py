"""Clip art and stamps: what pictures are called, on what ground they stand, and what is refused."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor

from vl2.core.sample import ImageSource, Sample
from vl2.corpus.source import Source
from vl2.corpus.sources.packages.pictures.captions import caption_of
from vl2.corpus.sources.packages.pictures.chinese import chinese_caption, chinese_name
from vl2.corpus.sources.packages.pictures.flattened import LARGEST, PALE_GROUND, flattened
from vl2.corpus.sources.packages.pictures.names import Told, clip_name
from vl2.corpus.sources.packages.pictures.openclipart import read_told
from vl2.corpus.sources.packages.pictures.tuxpaint import languages, names_of
from vl2.corpus.sources.table import open_source
from vl2.corpus.step import text_of
from vl2.data.faults import Fault, RowError
from vl2.processor import open_image

CLIP_ART, STAMPS = Path("/usr/share/openclipart"), Path("/usr/share/tuxpaint/stamps")
SVG = """<?xml version="1.0"?>{doctype}
<svg xmlns="http://www.w3.org/2000/svg" xmlns:cc="http://web.resource.org/cc/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><metadata>
<rdf:RDF><cc:Work><dc:title>{title}</dc:title><dc:description>{description}</dc:description>
<dc:subject><rdf:Bag><rdf:li>animal</rdf:li><rdf:li>hash</rdf:li><rdf:li>bat</rdf:li></rdf:Bag></dc:subject>
<dc:publisher><cc:Agent><dc:title>The library</dc:title></cc:Agent></dc:publisher>
<dc:creator><cc:Agent><dc:title>Ada Byron</dc:title></cc:Agent></dc:creator>
<cc:license rdf:resource="{licence}"/></cc:Work></rdf:RDF></metadata>{rest}"""
PUBLIC = "http://web.resource.org/cc/PublicDomain"


def svg(title="bat", description="", doctype="", licence=PUBLIC, rest="<g/></svg>") -> str:
    return SVG.format(title=title, description=description, doctype=doctype, licence=licence, rest=rest)


def png(color=(200, 0, 0, 255), size=(40, 30), inner=(10, 10, 30, 20)) -> bytes:
    """Return a picture that is drawn in a part of a transparent page."""
    page = Image.new("RGBA", size, (0, 0, 0, 0))
    page.paste(color, inner)
    stream = io.BytesIO()
    page.save(stream, "PNG")
    return stream.getvalue()


def clip_art(folder: Path, **drawings: str) -> list[Sample | Fault]:
    """Write drawings by the names of their files, and return their rows."""
    for name, drawing in drawings.items():
        for kind, data in (("svg", drawing.encode()), ("png", png())):
            path = folder / kind / "animals" / f"{name}.{kind}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    records = open_source(Source(name="clips", format="openclipart", path=str(folder)))
    return list(records.between(0, len(records)))


def told(title="", creator="", keywords=()) -> Told:
    return Told(title=title, description="", keywords=tuple(keywords), creator=creator, licence=PUBLIC)


def test_a_drawing_is_a_row_with_what_it_says_of_itself(tmp_path):
    (row,) = clip_art(tmp_path, bat_ada_byr_01=svg(description="A small bat at night"))
    assert isinstance(row, Sample)
    assert row.provenance["licence"] == "public domain"
    known = row.provenance["metadata"]
    assert known["title"] == "bat" and known["title_zh"] == "蝙蝠" and known["category"] == "animals"
    assert known["keywords"] == "animal, bat"
    caption = text_of(row, ("assistant",))
    assert caption == row.provenance["caption"] and ("bat" in caption or "蝙蝠" in caption)


@pytest.mark.parametrize(
    ("drawing", "reason"),
    [
        (svg(doctype='<!DOCTYPE svg [<!ENTITY a "b">]>'), "entities"),
        (svg(rest="")[:300], "cannot be read"),
        (svg(title="Lemon SVG theme"), "English"),
    ],
)
def test_what_is_refused_of_drawings(tmp_path, drawing, reason):
    (row,) = clip_art(tmp_path, kcmscsi=drawing)
    assert isinstance(row, Fault) and reason in row.reason


def test_a_drawing_without_a_known_licence_says_so_and_no_picture_leaves_its_folder(tmp_path):
    (row,) = clip_art(tmp_path, bat=svg(licence="http://creativecommons.org/licenses/GPL/2.0/"))
    assert isinstance(row, Sample) and row.provenance["licence"] == "unknown"


def test_what_follows_the_metadata_is_not_read():
    assert read_told(svg(rest="<<<").encode()).title == "bat"
    assert read_told(svg().encode()).creator == "Ada Byron"


@pytest.mark.parametrize(
    ("file", "title", "creator", "name"),
    [
        ("animals/bat_orlando_karam_.png", "bat", "Orlando Karam", "bat"),
        ("food/pie_apple.png", "Apple Pie", "", "Apple Pie"),
        ("computer/icons/flat-theme/action/mail_forward.png", "Part of the Flat Icon Collection", "", "mail forward"),
        ("tools/lock_ada_by_01.png", "Clipart by Ada Byron - nosmoke", "Ada Byron", "lock"),
        ("recreation/games/cards/white/white_h_10.png", "card", "", "the ten of hearts"),
        ("shapes/stars/star_07pt03step.png", "gramastar", "", "a star with 7 points"),
    ],
)
def test_names_of_pictures(file, title, creator, name):
    assert clip_name(file, told(title, creator)) == name


@pytest.mark.parametrize(
    ("file", "title", "creator"),
    [
        ("shapes/stars/star_72pt10step.png", "gramastar", ""),
        ("animals/cavallo_archi_01.png", "Cavallo", "Architetto Francesco Rollandin"),
        ("signs/risque_01.png", "Risque biologique", ""),
        ("computer/icons/kbattleship.png", "Lemon SVG theme", ""),
    ],
)
def test_pictures_whose_name_nobody_would_use(file, title, creator):
    with pytest.raises(RowError):
        clip_name(file, told(title, creator))


def test_captions_of_flags_cards_and_others():
    dice = random.Random(1)
    assert "flag of Burkina Faso" in caption_of("signs/flags/africa/x.png", "burkina faso", "", random.Random(3))
    assert caption_of("tools/x.png", "saw", "A saw with a wooden handle.", dice).endswith(
        " A saw with a wooden handle."
    )
    assert "http" not in caption_of("tools/x.png", "saw", "A saw from http://example.org", dice)
    assert chinese_name("the ten of hearts", "playing card") == "红桃10"
    assert chinese_name("China", "flag") == "中国" and chinese_name("quantum", "flag") == ""
    assert "中国的旗帜" in chinese_caption("中国", "flag", dice)


def test_transparency_becomes_white_and_white_drawings_get_another_ground():
    red = np.asarray(open_image(flattened(ImageSource(data=png()))))
    assert red.shape[:2] == (12, 22)  # the drawing of 20 x 10 and a margin of 1
    assert red[0, 0].tolist() == [255, 255, 255] and red[6, 11].tolist() == [200, 0, 0]
    pale = open_image(flattened(ImageSource(data=png(color=(255, 255, 255, 255)))))
    assert pale.getpixel((0, 0)) == ImageColor.getrgb(PALE_GROUND) and pale.getpixel((10, 6)) == (255, 255, 255)
    large = open_image(flattened(ImageSource(data=png(size=(3000, 1500), inner=(0, 0, 3000, 1500)))))
    assert large.size == (LARGEST, LARGEST // 2)
    with pytest.raises(RowError, match="shows nothing"):
        flattened(ImageSource(data=png(inner=(0, 0, 0, 0))))


def stamps(folder: Path, **texts: str) -> list[Sample | Fault]:
    """Write stamps by the names of their files, and return their rows."""
    place = folder / "animals"
    place.mkdir(exist_ok=True)
    for name, said in texts.items():
        (place / f"{name}.png").write_bytes(png())
        (place / f"{name}.txt").write_text(said, encoding="utf-8")
    records = open_source(Source(name="stamps", format="tuxpaint_stamps", path=str(folder)))
    return list(records.between(0, len(records)))


def test_a_stamp_is_a_row_in_each_language(tmp_path):
    english, chinese = stamps(tmp_path, frog="A frog.\nde.utf8=Ein Frosch.\nzh_CN.utf8=青蛙。\nzh_TW.utf8=青蛙\n")
    assert isinstance(english, Sample) and isinstance(chinese, Sample)
    assert text_of(english, ("assistant",)) == "A frog." and text_of(chinese, ("assistant",)) == "青蛙。"
    assert chinese.provenance["metadata"] == {
        "title": "A frog", "title_zh": "青蛙", "category": "animals", "category_zh": "动物"
    }  # fmt: skip
    assert english.provenance["licence"] == "GPL-2.0" and english.images == chinese.images


def test_stamps_without_a_name_and_with_a_wrong_one(tmp_path):
    rows = stamps(tmp_path, lion="A lion.\nzh_CN.utf8=一个洋葱。", mine="– Because…", fish="A fish.\nzh_CN.utf8=George")
    said = [text_of(row, ("assistant",)) if isinstance(row, Sample) else row.reason for row in rows]
    assert said == ["A fish.", "A lion.", "a stamp without a name"]
    (tmp_path / "animals" / "cat.png").write_bytes(png())
    (missing, *_) = stamps(tmp_path)
    assert isinstance(missing, Fault)


def test_names_in_chinese_are_tidied():
    assert names_of("A crow.\nzh_CN.utf8=乌鸦！") == ("A crow.", "乌鸦。")
    assert names_of("A  C\nzh_CN.utf8=字母Ｃ") == ("A C.", "字母C。")
    assert [row["language"] for row in languages({"file": "a/b.png", "text": "A b.\nzh_CN.utf8=笔"})] == ["en", "zh"]


@pytest.mark.skipif(
    not (CLIP_ART.is_dir() and STAMPS.is_dir()), reason="no openclipart-png, -svg, tuxpaint-stamps here"
)
def test_the_packages_themselves():
    clips = open_source(Source(name="a", format="openclipart", path=str(CLIP_ART)))
    assert len(clips) > 8000
    found = [row for row in clips.between(0, 60) if isinstance(row, Sample)]
    free = [row for row in found if row.provenance["licence"] == "public domain"]
    assert len(found) > 25 and len(free) > 0.9 * len(found)
    pairs = open_source(Source(name="a", format="tuxpaint_stamps", path=str(STAMPS)))
    named = [row for row in pairs.between(0, 40) if isinstance(row, Sample)]
    assert len(pairs) > 1200 and any("\u4e00" <= text_of(row, ("assistant",))[0] <= "\u9fff" for row in named)
