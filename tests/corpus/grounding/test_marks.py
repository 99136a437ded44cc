"""A mark is drawn in the colour and shape that the words name, and lies on what they are about."""

from __future__ import annotations

import io
import random
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vl2.core.errors import ConfigError
from vl2.core.sample import BoxesPart, ImagePart, ImageSource, Message, Sample, SceneObject, TextPart
from vl2.core.settings import build
from vl2.corpus.grounding.gui import LocateElements
from vl2.corpus.grounding.in_context import InContext
from vl2.corpus.grounding.marked import Marked
from vl2.corpus.grounding.marks import COLOURS, SHAPES, draw_mark, phrase_of, visible_colours
from vl2.corpus.ingest import ingest
from vl2.corpus.pocket.draw import draw
from vl2.corpus.rewriting import rewriting, rewriting_together
from vl2.corpus.source import Source
from vl2.corpus.step import is_kept
from vl2.corpus.steps import STEPS
from vl2.data.faults import RowError
from vl2.processor import open_image

SOURCE = Source(name="scenes", path="", licence="MIT")
BOX = (120.0, 90.0, 200.0, 170.0)
OUTLINE = ((160.0, 90.0), (200.0, 130.0), (160.0, 170.0), (120.0, 130.0))


def changed(before: Image.Image, after: Image.Image) -> np.ndarray:
    """Return how far each pixel moved [H, W]."""
    return np.abs(np.asarray(after, int) - np.asarray(before, int)).sum(-1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("colour", COLOURS)
def test_a_mark_has_its_colour_and_covers_its_target(shape, colour):
    ground = Image.new("RGB", (336, 252), (70, 90, 80))
    for seed in range(4):
        marked = draw_mark(ground, shape, colour, BOX, OUTLINE, random.Random(seed))
        moved = changed(ground, marked)
        rows, columns = np.nonzero(moved)
        reach = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert reach[0] < BOX[2] and reach[1] < BOX[3] and reach[2] > BOX[0] and reach[3] > BOX[1]
        if shape in ("rectangle", "ellipse", "triangle"):  # these go around it
            slack = 1.0
            assert reach[0] <= BOX[0] + slack and reach[1] <= BOX[1] + slack
            assert reach[2] >= BOX[2] - slack and reach[3] >= BOX[3] - slack
        strongest = np.asarray(marked, float)[moved == moved.max()][0] - np.asarray(ground, float)[0, 0]
        meant = np.array(COLOURS[colour][0], float) - np.asarray(ground, float)[0, 0]
        cosine = strongest @ meant / (np.linalg.norm(strongest) * np.linalg.norm(meant))
        assert cosine > 0.99  # a blend of ground and mark, whatever the opacity


def test_eight_shapes_nine_colours_and_their_words():
    assert (len(SHAPES), len(COLOURS)) == (8, 9)
    assert phrase_of("arrow", "red", "en") == "pointed to by the red arrow"
    assert phrase_of("point", "gold", "zh") == "金色圆点处"
    assert "red" not in visible_colours(Image.new("RGB", (50, 50), (250, 10, 10)), (10, 10, 40, 40))


def test_a_shape_that_there_is_not_is_refused_before_anything_runs():
    for name in ("marked", "in_context"):
        with pytest.raises(ConfigError, match="shapes"):
            build(STEPS[name].settings, {"shapes": ["rectangel"]}, thing=name)


def test_one_object_of_a_row_is_marked_and_asked_for():
    rows = [ingest(draw("ground", "train", 0, index), SOURCE) for index in range(30)]
    made = rewriting("marked", 1, Marked(chinese_share=0.0).change).run(rows)
    assert all(map(is_kept, made))
    for old, new in zip(rows, made, strict=True):
        (mark,) = new.provenance["marks"]
        words = phrase_of(mark["shape"], mark["colour"], "en")
        assert words in new.messages[0].parts[1].text and new.messages[1].parts[0].text == new.objects[0].label
        moved = changed(open_image(old.images[0]), open_image(new.images[0]))
        assert moved.max() > 30 and new.id != old.id and new.provenance["parents"] == [old.id]
        assert mark["shape"] not in ("mask", "contour")  # no outline is known


def test_places_in_the_text_become_words():
    image = Image.new("RGB", (200, 100), (60, 120, 60))
    stream = io.BytesIO()
    image.save(stream, "JPEG")
    parts = (ImagePart(), TextPart("What is <bbox1> doing to <bbox0>?"))
    row = Sample("a", (Message("user", parts), Message("assistant", (TextPart("<bbox1> paints it."),))),
                 (ImageSource(data=stream.getvalue()),),
                 (SceneObject("fence", (10, 10, 60, 90)), SceneObject("man", (100, 20, 160, 90))),
                 provenance={"outlines": [[10, 10, 60, 10, 60, 90], None]})  # fmt: skip
    seen = set()
    for seed in range(40):
        made = Marked(seed=seed).change(row)
        fence, man = made.provenance["marks"]
        seen.add(fence["shape"])
        assert fence["colour"] != man["colour"] and man["shape"] not in ("mask", "contour")
        question, answer = (turn.parts[-1].text for turn in made.messages)
        assert answer == f"{phrase_of(man['shape'], man['colour'], 'en')} paints it."
        assert phrase_of(fence["shape"], fence["colour"], "en") in question and "<bbox" not in question
        assert made.images[0].data[:2] == b"\xff\xd8"  # a photograph stays JPEG
    assert {"mask", "contour"} <= seen
    with pytest.raises(RowError, match="without its object"):
        Marked().change(replace(row, objects=row.objects[:1]))
    with pytest.raises(RowError, match="outside its image"):
        Marked().change(replace(row, objects=(SceneObject("x", (900, 1, 950, 9)), row.objects[1])))
    with pytest.raises(RowError, match="no object to mark"):
        Marked().change(draw("chat", "train", 0, 0) if draw("chat", "train", 0, 0).images else
                        replace(row, messages=(), objects=()))  # fmt: skip


def test_in_context_asks_for_the_one_of_the_same_kind():
    rows = [ingest(draw("ground", "train", 5, index), SOURCE) for index in range(40)]
    step = rewriting_together("in_context", 1, InContext(chinese_share=0.0).change_all)
    made = [row for row in step.run(rows) if is_kept(row)]
    by_id = {row.id: row for row in rows}
    assert len(made) > 20
    for row in made:
        first, second = (by_id[parent] for parent in row.provenance["parents"])
        (answer,) = row.messages[1].parts
        assert isinstance(answer, BoxesPart) and len(answer.boxes) == 1
        assert [item.label for item in second.objects].count(answer.label) == 1
        assert any(item.label == answer.label for item in first.objects)
        noun = answer.label.split()[-1]  # nothing else of the shape: the mark shows a kind, not a colour
        assert sum(item.label.split()[-1] == noun for item in second.objects) == 1
        assert row.images[1].data == second.images[0].data and row.images[0].data != first.images[0].data
        assert "<|grounding|>" in row.messages[0].parts[-1].text
        assert row.provenance["marks"][0]["shape"] in ("rectangle", "ellipse")
    assert step.run(rows) == step.run(rows)
    assert not any(map(is_kept, step.run(rows[:1]))) and step.run([]) == []


def test_elements_of_a_screen():
    image = draw("table", "train", 0, 0).images[0]
    objects = (
        SceneObject("Save", (5, 5, 40, 20), kind="element"), SceneObject("Open", (45, 5, 80, 20), kind="element"),
        SceneObject("Row", (5, 30, 60, 40), kind="element"), SceneObject("Row", (5, 50, 60, 60), kind="element"),
        SceneObject("保存文件", (5, 65, 60, 80), kind="element"),
    )  # fmt: skip
    row = Sample("a", (), (image,), objects, provenance={"instruction": "Keep my changes."})
    made = LocateElements(queries=4).change(row)
    answers = {turn.parts[0].label: turn.parts[0].boxes for turn in made.messages if turn.role == "assistant"}
    assert set(answers) == {"Save", "Open", "保存文件"}  # two rows of one name are not asked for
    questions = ["".join(getattr(p, "text", "") for p in t.parts) for t in made.messages if t.role == "user"]
    assert any("Keep my changes." in question for question in questions)
    with pytest.raises(RowError, match="no element"):
        LocateElements().change(replace(row, objects=objects[2:4]))
