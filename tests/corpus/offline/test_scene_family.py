"""What asks about scenes: each recipe of the grounding family gets rows out of them, whose answers are true."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.corpus.offline.made_scenes import make_packages
from vl2.core.sample import BoxesPart, Sample, TextPart
from vl2.corpus.drawing.scene.cast import load_cast
from vl2.corpus.grounding.kinds import load_kinds
from vl2.corpus.grounding.negatives import Names
from vl2.corpus.grounding.targets import checked, to_box
from vl2.corpus.recipe import load_recipe
from vl2.corpus.run import run_recipe
from vl2.corpus.run_local import LocalExecutor
from vl2.corpus.source import Source
from vl2.corpus.step import is_kept
from vl2.corpus.tar import unpack
from vl2.processor import open_image

CAST = load_cast()
RECIPES = Path(__file__).parents[3] / "recipes" / "offline"
FAMILY = ("grounding", "grounded_captions", "in_context", "visual_prompts", "degraded")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_packages(tmp_path_factory.mktemp("packages"))


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
