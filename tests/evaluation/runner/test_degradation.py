"""Corruption mode: worse images in the prompt, boxes where they then are, and a run of its own."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.runner import toy
from tests.evaluation.runner.fakes import FakeAnswerer
from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource
from vl2.evaluation.degradation import degraded, moved_along
from vl2.evaluation.job import Job
from vl2.evaluation.row import Row
from vl2.evaluation.runner import run_job
from vl2.evaluation.summary import Degradation

BOX = (40.0, 30.0, 90.0, 60.0)
SIZE = 200, 120


def picture() -> bytes:
    """A red rectangle in its box, on white."""
    pixels = np.full((SIZE[1], SIZE[0], 3), 255, dtype=np.uint8)
    pixels[30:60, 40:90] = 255, 0, 0
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def row(number: int = 0) -> Row:
    image = ImageSource(data=picture(), width=SIZE[0], height=SIZE[1])
    return Row(id=str(number), images=(image,), question="red rectangle", box=BOX)


@pytest.mark.parametrize("number", range(6))
def test_a_box_is_where_its_rectangle_has_gone(number):
    found = degraded(row(number), Degradation(kind="rotation", level=4))
    shown = Image.open(io.BytesIO(found.images[0].data)).convert("RGB")
    assert shown.size == (found.images[0].width, found.images[0].height) != SIZE
    pixels = np.asarray(shown).astype(int)
    ys, xs = np.nonzero((pixels[..., 0] > 200) & (pixels[..., 1] < 100))
    assert found.box == pytest.approx((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1), abs=1.5)


def test_other_kinds_leave_boxes_alone_and_the_same_row_gets_the_same_image():
    noise = Degradation(kind="noise", level=3)
    found = degraded(row(), noise)
    assert found.box == BOX
    assert found.images[0].data != picture()
    assert found == degraded(row(), noise)
    assert found.images[0].data != degraded(row(1), noise).images[0].data


def test_what_is_asked_is_worse_and_what_is_scored_is_moved(tmp_path):
    rotation = Degradation(kind="rotation", level=5)
    seen: dict[str, Row] = {}

    def score(one, said, dialect):
        seen[one.id] = one
        return toy.judged(1.0, said)

    answerer = FakeAnswerer(lambda _: "there")
    job = Job(task=replace(toy.TASK, score=score), rows=lambda: iter([row(0), row(1)]), profile="vlmevalkit",
              degradation=rotation)  # fmt: skip
    results = run_job(job, answerer, tmp_path)
    expected = moved_along(row(0), rotation)
    assert results.lines[0].box == seen["0"].box == expected.box != BOX
    assert (seen["0"].images[0].width, seen["0"].images[0].data) == (expected.images[0].width, None)
    assert answerer.asked[0].sample.images[0].data == degraded(row(0), rotation).images[0].data
    assert results.summary.degradation == rotation
    again = FakeAnswerer(lambda _: "there")
    run_job(job, again, tmp_path)
    assert not again.asked
    with pytest.raises(VL2Error, match="another degradation"):
        run_job(replace(job, degradation=None), again, tmp_path)


def test_an_image_that_cannot_be_opened_is_an_error_of_its_row(tmp_path):
    broken = replace(row(0), images=(ImageSource(data=b"no image"),))
    job = Job(task=toy.TASK, rows=lambda: iter([broken, row(1)]), profile="vlmevalkit",
              degradation=Degradation(kind="blur", level=1))  # fmt: skip
    answerer = FakeAnswerer(lambda _: "there")
    results = run_job(job, answerer, tmp_path)
    assert [line.state for line in results.lines] == ["error", "wrong"]
    assert len(answerer.asked) == 1
