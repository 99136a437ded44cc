"""The checkpoint that the repository ships does what the README shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import vl2
from tests.cli.running import run
from vl2.core.boxes import Box
from vl2.model import PRESETS
from vl2.weights import load_model
from vl2.weights.preflight import count_parameters

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
MAX_BYTES = 15_000_000
HOUSE = Box.from_pixels(41, 3, 73, 35, width=96, height=96)


@pytest.fixture(scope="module")
def pocket():
    return vl2.load()


def test_the_sign_is_read(pocket):
    assert pocket.read(EXAMPLES / "sign.png").text == "87.92\nQUESTION"


def test_the_house_is_found_where_it_is(pocket):
    (box,) = pocket.detect(EXAMPLES / "shapes.png", "blue house").boxes
    assert box.iou(HOUSE) >= 0.5


def test_what_is_not_there_is_not_found(pocket):
    answer = pocket.detect(EXAMPLES / "shapes.png", "red star")
    assert answer.boxes == () and answer.text == "There is no red star."


def test_its_tokenizer_is_the_one_that_its_corpus_builds(tmp_path):
    from vl2.corpus.pocket.vocabulary import write_processor

    write_processor(tmp_path)
    shipped = Path(vl2.__file__).parent / "pocket"
    for name in ("tokenizer.json", "tokenizer_config.json", "processor_config.json"):
        assert (tmp_path / name).read_text() == (shipped / name).read_text(), name


def test_the_receipt_answers(pocket):
    assert pocket.ask(EXAMPLES / "receipt.png", "What is the price of Cake?").text == "7.02"


def test_an_encoded_picture_answers_the_same(pocket):
    picture = pocket.encode_image(EXAMPLES / "sign.png")
    assert pocket.read(picture).text == pocket.read(EXAMPLES / "sign.png").text


def test_the_demo_writes_its_picture(tmp_path):
    done = run("detect", EXAMPLES / "shapes.png", "blue house", "--draw", tmp_path / "demo.png", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["spans"][0]["label"] == "blue house"
    assert (tmp_path / "demo.png").stat().st_size > 0


def test_pocket_is_small_and_is_the_preset(pocket):
    assert pocket.model.config == PRESETS["pocket"]
    assert sum(path.stat().st_size for path in (ROOT / "vl2" / "pocket").iterdir()) <= MAX_BYTES
    assert count_parameters(PRESETS["pocket"]) == sum(p.numel() for p in load_model("pocket").parameters())
