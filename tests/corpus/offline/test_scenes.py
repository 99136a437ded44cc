"""Scenes: what is said of them is what is seen in them."""

from __future__ import annotations

import io
import random
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.corpus.offline.made_scenes import SHOWN, disc, make_packages
from vl2.core.sample import Sample
from vl2.corpus.drawing.scene.caption import Group, find_largest, find_relations, write_caption
from vl2.corpus.drawing.scene.cast import load_cast
from vl2.corpus.drawing.scene.ground import drawn_ground, photo_ground
from vl2.corpus.drawing.scene.layout import LEAST_VISIBLE, Layout, cut_out
from vl2.corpus.drawing.scene.outline import trace
from vl2.corpus.drawing.scene.stamps import Stamp, read_stamp
from vl2.corpus.drawing.scene.step import Scene
from vl2.corpus.filters.language import main_language
from vl2.corpus.grounding.kinds import load_kinds
from vl2.corpus.grounding.negatives import Names
from vl2.corpus.ingest import ingest
from vl2.corpus.rewriting import rewriting
from vl2.corpus.source import Source
from vl2.corpus.sources.packages.pictures.scenes import SCENES_A_STAMP
from vl2.corpus.sources.table import open_source
from vl2.corpus.step import is_kept
from vl2.processor import open_image

CAST = load_cast()
STAMPS = Path("/usr/share/tuxpaint/stamps")
THING = CAST.by_stamp["hobbies/camera_35mm.png"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_packages(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def drawn(folder) -> list[Sample]:
    """Return scenes, half of them with Chinese captions."""
    source = Source(name="scenes", path=str(folder / "stamps"), format="stamp_scenes")
    rows = open_source(source)
    assert len(rows) == len(SHOWN) * SCENES_A_STAMP
    settings = Scene(stamps=str(folder / "stamps"), grounds=str(folder / "grounds"), chinese_share=0.5)
    made = rewriting("scene", 1, settings.change).run([ingest(rows[n], source) for n in range(len(rows))])
    return [row for row in made if is_kept(row)]


def boxes_of(row: Sample, label: str) -> list[list[float]]:
    return sorted(list(item.box) for item in row.objects if item.label == label)


def test_most_scenes_come_out_and_each_tells_all_that_it_shows(drawn, folder):
    assert len(drawn) > 0.9 * len(SHOWN) * SCENES_A_STAMP and len({row.id for row in drawn}) == len(drawn)
    for row in drawn:
        image = open_image(row.images[0])
        assert min(image.size) >= 384 and max(image.size) <= 900 and 2 <= len(row.objects) <= 8
        assert all(0 <= b[0] < b[2] <= image.width and 0 <= b[1] < b[3] <= image.height for b in
                   (item.box for item in row.objects))  # fmt: skip
        assert {item.label for item in row.objects} <= {CAST.by_stamp[stamp].label for stamp in SHOWN}
        assert row.provenance["licence"] == "GPL-2.0-or-later" and len(row.provenance["outlines"]) == len(row.objects)
    assert any(len(boxes_of(row, item.label)) > 1 for row in drawn for item in row.objects)
    assert {"Wood"} == {Path(one.file).stem for one in Scene(grounds=str(folder / "grounds")).photos}


def test_labels_that_may_mean_the_same_never_stand_together(drawn):
    names = Names(load_kinds())
    for row in drawn:
        labels = {item.label for item in row.objects}
        assert not any(one != other and names.may_be_same(one, other) for one in labels for other in labels)


def test_a_scene_falls_the_same_for_its_row_and_another_seed_changes_it(folder):
    source = Source(name="scenes", path=str(folder / "stamps"), format="stamp_scenes")
    row = ingest(open_source(source)[3], source)

    def scene(seed: int) -> Sample:
        return Scene(stamps=str(folder / "stamps"), grounds=None, seed=seed).change(row)

    assert scene(0) == scene(0) and scene(0).images != scene(1).images


def test_the_box_of_a_thing_is_where_its_pixels_are():
    for seed in range(20):
        dice = random.Random(seed)
        stamp = Stamp(disc((255, 255, 255), (dice.randint(40, 200), dice.randint(40, 200))), (255.0, 255.0, 255.0))
        layout = Layout(Image.new("RGB", (500, 400)))
        assert layout.add(cut_out(THING, stamp, dice.uniform(50, 200), dice.uniform(-20, 20), False), False, dice)
        (seen,) = layout.seen()
        rows, columns = np.nonzero(np.asarray(layout.picture(shadows=seed % 2 == 0).convert("L")) >= 128)
        assert seen.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert seen.visible.sum() == len(rows)


def test_what_stands_behind_stays_visible_and_its_box_ends_where_it_is_hidden():
    num_hidden = 0
    for seed in range(60):
        dice = random.Random(seed)
        layout = Layout(Image.new("RGB", (260, 240), (120, 120, 120)))
        stamps = [Stamp(Image.new("RGBA", (80, 60), (*colour, 255)), colour) for colour in ((255, 0, 0), (0, 255, 0))]
        cuts = [cut_out(THING, stamp, 140, 0, False) for stamp in stamps]
        if not all(layout.add(one, True, dice) for one in cuts):
            continue
        behind, front = layout.seen()
        pixels = np.asarray(layout.picture(shadows=False), int)
        is_red = (pixels[..., 0] - pixels[..., 1]) > 127
        rows, columns = np.nonzero(is_red)
        reach = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert max(abs(a - b) for a, b in zip(behind.box, reach, strict=True)) <= 1  # borders are soft
        assert behind.visible.sum() >= LEAST_VISIBLE * cuts[0].solid.sum() and front.visible.all()
        x1, y1, x2, y2 = behind.box
        assert is_red[round(y1 + 0.3 * (y2 - y1)) : round(y1 + 0.7 * (y2 - y1)), (x1 + x2) // 2].all()
        num_hidden += behind.visible.sum() < cuts[0].solid.sum()
    assert num_hidden >= 3


def test_things_do_not_stand_on_grounds_of_their_colour():
    stamp = Stamp(disc((118, 121, 124)), (118.0, 121.0, 124.0))
    layout = Layout(Image.new("RGB", (400, 300), (120, 120, 120)))
    assert not layout.add(cut_out(THING, stamp, 100, 0, False), False, random.Random(0)) and not layout.seen()


def test_outlines_go_around_what_is_seen():
    y, x = np.mgrid[:80, :120]
    ellipse = ((x - 60) / 58) ** 2 + ((y - 40) / 38) ** 2 <= 1
    outline = trace(ellipse, (200, 300))
    again = Image.new("1", (400, 400))
    ImageDraw.Draw(again).polygon(outline, fill=1)
    mask = np.asarray(again)[300:380, 200:320]
    assert (mask & ellipse).sum() / (mask | ellipse).sum() > 0.9 and not np.asarray(again)[:295].any()
    two = np.zeros((60, 60), bool)
    two[5:9, 5:9] = two[20:55, 10:50] = True  # the larger of two parts
    assert min(trace(two, (0, 0))[1::2]) >= 18
    assert trace(np.ones((1, 1), bool), (0, 0)) == [] and trace(np.zeros((9, 9), bool), (0, 0)) == []


def test_captions_say_what_is_true_and_their_names_have_all_boxes(drawn):
    num_relations = 0
    chinese = {name: label for label, name in CAST.chinese.items()}
    by_word = {word: thing.label for thing in CAST.things for word in (thing.label, thing.plural)}
    for row in drawn:
        caption, told = row.provenance["caption"], {}
        for start, end, *box in row.provenance["spans"]:
            told.setdefault((start, end), []).append(box)
        for (start, end), boxes in told.items():
            label = (by_word | chinese)[caption[start:end]]
            assert sorted(boxes) == boxes_of(row, label)
        assert {(by_word | chinese)[caption[start:end]] for start, end in told} == {one.label for one in row.objects}
        for one, where, other in re.findall(r"The ([^.]+?) (?:is|are) (to the left of|to the right of|above|below) the "
                                            r"([^.]+)\.", caption):  # fmt: skip
            num_relations += 1
            first, second = (boxes_of(row, by_word[re.sub(r"^(two|three|four|five|six|seven) ", "", name)])
                             for name in (one, other))  # fmt: skip
            if where in ("to the right of", "below"):
                first, second = second, first
            axis = 0 if "to the" in where else 1
            assert max(box[axis + 2] for box in first) < min(box[axis] for box in second)
    assert num_relations > 20


def test_a_scene_is_asked_about_in_the_language_of_its_caption(drawn):
    for row in drawn:
        question = row.messages[0].parts[-1].text
        assert main_language(question) == main_language(row.provenance["caption"])
    assert {main_language(row.provenance["caption"]) for row in drawn} == {"en", "zh"}


def test_counts_articles_and_measure_words():
    dice, ground = random.Random(0), drawn_ground((400, 400), random.Random(0))
    orange, knife = CAST.by_stamp["food/fruit/orange.png"], CAST.by_stamp["household/tools/saw.png"]
    groups = [Group(knife, ((0, 0, 10, 10), (20, 0, 30, 10))), Group(orange, ((50, 50, 190, 190),))]
    for _ in range(12):
        english, _spans = write_caption(groups, ground, "en", dice)
        assert re.search(r"[Tt]wo saws and an orange ", english)
        assert re.search(
            r"The two saws are (to the left of|above) the orange\.|The orange is (to the right|below)", english
        )
        assert "两把锯子和一个橙子" in write_caption(groups, ground, "zh", dice)[0]
    assert find_largest(groups) == groups[1] and find_largest(groups[:1]) is None
    assert {(a.thing.label, where) for a, where, _ in find_relations(groups)} == {
        ("saw", "left"), ("saw", "above"), ("orange", "right"), ("orange", "below"),
    }  # fmt: skip


def test_every_ground_is_drawn_and_a_photograph_keeps_its_terms(folder):
    seen = [drawn_ground((420, 390), random.Random(seed)) for seed in range(60)]
    kinds = {re.sub(r"(on an? )?(\w+).*", r"\2", one.english) for one in seen}
    assert {one.image.size for one in seen} == {(420, 390)} and len(kinds) >= 6
    photo = photo_ground(str(folder / "grounds"), CAST.grounds[6], (384, 600), random.Random(0))
    assert (photo.image.size, photo.english, photo.licence) == (
        (384, 600), "in front of pale wood", "GPL-2.0-or-later",
    )  # fmt: skip


def test_broken_stamps_cost_their_rows_and_a_folder_without_stamps_is_said(tmp_path):
    stamp = tmp_path / "hobbies/camera_35mm.png"
    stamp.parent.mkdir()
    stream = io.BytesIO()
    disc((9, 9, 9)).save(stream, "PNG")
    stamp.write_bytes(stream.getvalue())
    source = Source(name="scenes", path=str(tmp_path), format="stamp_scenes")
    row = ingest(open_source(source)[0], source)
    reasons = []
    for broken in (b"", b"<svg/>", stream.getvalue()[:90], None):
        stamp.unlink() if broken is None else stamp.write_bytes(broken)
        read_stamp.cache_clear()
        (made,) = rewriting("scene", 1, Scene(stamps=str(tmp_path), grounds=None).change).run([row])
        reasons.append("" if is_kept(made) else made.decision["reason"].partition(":")[0])
    assert reasons == ["is empty. Give a complete file", "not a readable image", "cannot be decoded",
                       "no known stamp here. Install tuxpaint-stamps-default"]  # fmt: skip


def test_the_table_names_each_thing_once():
    labels, chinese = [thing.label for thing in CAST.things], [thing.chinese for thing in CAST.things]
    assert len(set(labels)) == len(labels) and len(set(chinese)) == len(chinese) > 200
    assert all(thing.stamps and 1 <= thing.size <= 5 and len(thing.measure) == 1 for thing in CAST.things)
    assert len(CAST.by_stamp) == sum(len(thing.stamps) for thing in CAST.things)  # no stamp shows two things
    assert all(thing.lettered <= set(thing.stamps) for thing in CAST.things)


@pytest.mark.skipif(not STAMPS.is_dir(), reason="tuxpaint-stamps-default is not installed")
def test_every_stamp_of_the_table_is_in_the_package():
    assert all((STAMPS / stamp).is_file() for stamp in CAST.by_stamp)
    assert all(min(read_stamp(str(STAMPS), stamp).image.size) >= 15 for stamp in list(CAST.by_stamp)[::9])
