"""Scenes: what is said of them is what is seen in them; every pipeline that asks about them gets rows out of them."""

from __future__ import annotations

import io
import random
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vl2.core.sample import BoxesPart, Sample, TextPart
from vl2.corpus.drawing.scene import Scene
from vl2.corpus.drawing.scene_caption import Group, find_largest, find_relations, write_caption
from vl2.corpus.drawing.scene_cast import load_cast
from vl2.corpus.drawing.scene_ground import drawn_ground, photo_ground
from vl2.corpus.drawing.scene_layout import LEAST_VISIBLE, Layout, cut_out
from vl2.corpus.drawing.scene_outline import trace
from vl2.corpus.drawing.stamps import Stamp, read_stamp
from vl2.corpus.grounding.kinds import load_kinds
from vl2.corpus.grounding.negatives import Names
from vl2.corpus.grounding.targets import checked, to_box
from vl2.corpus.ingest import ingest
from vl2.corpus.recipe import load_recipe
from vl2.corpus.rewriting import rewriting
from vl2.corpus.run import run_recipe
from vl2.corpus.run_local import LocalExecutor
from vl2.corpus.source import Source
from vl2.corpus.sources.packages.scenes import SCENES_A_STAMP
from vl2.corpus.sources.table import open_source
from vl2.corpus.step import is_kept
from vl2.corpus.tar import unpack
from vl2.processor import open_image

CAST = load_cast()
RECIPES = Path(__file__).parents[3] / "recipes" / "offline"
FAMILY = ("grounding", "grounded_captions", "in_context", "visual_prompts", "degraded")
STAMPS = Path("/usr/share/tuxpaint/stamps")
SHOWN = {
    "animals/mammals/dogs/dog.png": (200, 40, 40),
    "animals/birds/owl.png": (40, 160, 40),
    "food/fruit/lemon.png": (230, 220, 30),
    "food/fruit/cartoon/lemon.png": (240, 200, 0),
    "hobbies/camera_35mm.png": (20, 20, 20),
    "town/roadsigns/stop.png": (150, 0, 150),
    "vehicles/auto/sedan.png": (40, 60, 220),
}
THING = CAST.by_stamp["hobbies/camera_35mm.png"]


def disc(colour: tuple[int, int, int], size: tuple[int, int] = (120, 90)) -> Image.Image:
    image = Image.new("RGBA", (size[0] + 20, size[1] + 30))  # with empty borders, as stamps have
    ImageDraw.Draw(image).ellipse((10, 10, 10 + size[0], 10 + size[1]), fill=(*colour, 255))
    return image


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder of stamps and grounds as the packages lay them out, but for what they show."""
    place = tmp_path_factory.mktemp("packages")
    for name, colour in SHOWN.items():
        (place / "stamps" / name).parent.mkdir(parents=True, exist_ok=True)
        disc(colour).save(place / "stamps" / name)
    (place / "stamps" / "other.png").write_bytes(b"of no thing that is known")
    (place / "grounds/mate/nature").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(150, 220, (300, 400, 3), np.uint8)
    Image.fromarray(pixels).save(place / "grounds/mate/nature/Wood.jpg")
    return place


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


def test_counts_articles_and_measure_words():
    dice, ground = random.Random(0), drawn_ground((400, 400), random.Random(0))
    orange, knife = CAST.by_stamp["food/fruit/orange.png"], CAST.by_stamp["household/tools/saw.png"]
    groups = [Group(knife, ((0, 0, 10, 10), (20, 0, 30, 10))), Group(orange, ((50, 50, 190, 190),))]
    for _ in range(12):
        english, _spans = write_caption(groups, ground, "en", dice)
        assert re.search(r"[Tt]wo saws and an orange ", english)
        assert re.search(r"both|(The two saws are to the left of the orange|above|The orange is )", english)
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


@pytest.fixture(scope="module")
def family(folder, tmp_path_factory) -> dict[str, list[Sample]]:
    """Return the rows of each recipe, kept or not, out of a few scenes."""
    out = tmp_path_factory.mktemp("runs")

    def run(name: str, source: Source) -> list[Sample]:
        recipe = load_recipe(RECIPES / f"{name}.yaml")
        steps = tuple({key: _here(key, value, folder) for key, value in step.items()} for step in recipe.steps)
        with LocalExecutor(1) as executor:
            run_recipe(
                replace(recipe, out=str(out / name), sources=(source,), steps=steps), executor, lambda line: None
            )
        last = max((out / name).glob("stage-*"))
        return [row for shard in sorted(last.glob("*.tar")) for row in unpack(shard.read_bytes())]

    made = {"scenes": run("scenes", Source(name="scenes", path=str(folder / "stamps"), format="stamp_scenes"))}
    source = Source(name="scenes", path=str(out / "scenes/webdataset/*.tar"))
    return made | {name: run(name, source) for name in FAMILY}


def _here(key: str, value: object, folder: Path) -> object:
    """Return a setting of a recipe as it is for the made packages, and for all rows instead of a share of them."""
    places = {"stamps": str(folder / "stamps"), "grounds": str(folder / "grounds"), "wordnet": None}
    return places.get(key, 1.0 if key == "share" else value)


def test_every_recipe_keeps_most_rows_and_loses_others_only_to_steps_that_say_why(family):
    for name, least in {"scenes": 0.9, "grounding": 0.9, "grounded_captions": 0.9, "in_context": 0.5,
                        "visual_prompts": 0.9, "degraded": 0.9}.items():  # fmt: skip
        kept = [row for row in family[name] if is_kept(row)]
        assert len(kept) >= least * len(family[name]) > 0, name
        assert all(row.decision["reason"] for row in family[name] if not is_kept(row))


def test_every_answer_in_boxes_is_what_the_parser_reads_and_is_true(family):
    num_checked = 0
    english = {chinese: label for label, chinese in CAST.chinese.items()}
    for name in ("grounding", "in_context"):
        for row in filter(is_kept, family[name]):
            checked(row)
            for part in (part for message in row.messages[1::2] for part in message.parts):
                if isinstance(part, BoxesPart):
                    image = 1 if name == "in_context" else 0
                    size = open_image(row.images[image]).size
                    label = english.get(part.label, part.label)
                    meant = [to_box(one.box, size) for one in row.objects if (one.image, one.label) == (image, label)]
                    assert set(part.boxes) == set(meant) and len(meant) == len(part.boxes)
                    num_checked += 1
    assert num_checked > 150


def test_grounding_denies_only_what_is_not_there_and_in_both_languages(family):
    names, classes = Names(load_kinds()), _classes()
    english = {chinese: label for label, chinese in CAST.chinese.items()}
    said = {"en": 0, "zh": 0}
    for row in filter(is_kept, family["grounding"]):
        for answer in (message.parts for message in row.messages[1::2]):
            if isinstance(answer[0], TextPart):
                found = re.fullmatch(r"There is no (.+) in the image\.|图中没有(.+)。", answer[0].text)
                assert found is not None
                said["zh" if found[2] else "en"] += 1
                denied = english[found[2]] if found[2] else found[1]
                assert denied in classes
                assert not any(names.may_be_same(denied, one.label) for one in row.objects)
    assert said["zh"] > 5 and said["en"] > 15


def test_what_is_named_as_absent_is_a_thing_of_the_table():
    assert set(_classes()) <= set(CAST.chinese) and len(set(_classes())) == len(_classes()) > 100


def _classes() -> list[str]:
    (locate,) = (step for step in load_recipe(RECIPES / "grounding.yaml").steps if step["use"] == "locate")
    return locate["classes"]


def test_degraded_pictures_are_jpeg_and_keep_their_boxes_inside(family):
    kinds = {row.provenance["worsened"] for row in family["degraded"] if is_kept(row)}
    assert len(kinds) >= 5
    for row in filter(is_kept, family["degraded"]):
        checked(row)
        if row.provenance["worsened"] != "frame":
            assert row.images[0].data.startswith(b"\xff\xd8")
            width, height = open_image(row.images[0]).size
            assert all(b[0] > -1 and b[1] > -1 and b[2] < width + 1 and b[3] < height + 1
                       for b in (one.box for one in row.objects))  # fmt: skip
