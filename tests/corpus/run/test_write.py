"""What is written is read back by the readers of training: the same words, boxes and pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus.run.sources import NUM_DRAWN, grounded, recipe_of, silent
from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, ImagePart, ImageSource, Message, Sample, TextPart
from vl2.corpus.ingest import ingest
from vl2.corpus.run import run_recipe
from vl2.corpus.run_local import LocalExecutor
from vl2.corpus.source import Source
from vl2.corpus.tar import pack, unpack
from vl2.corpus.write import FORMATS
from vl2.data.records import open_records
from vl2.processor.grounding import render


@pytest.fixture(scope="module")
def out(sources, tmp_path_factory):
    recipe = recipe_of(sources[:1], tmp_path_factory.mktemp("formats") / "run", steps=())
    return run_recipe(recipe, LocalExecutor(), silent)


def said(sample: Sample) -> list[tuple[str, str]]:
    """Return what each turn says to the model: text, places of images, boxes as they are rendered."""

    def told(part):
        match part:
            case TextPart(text):
                return text
            case ImagePart():
                return "<image>"
            case BoxesPart(label, boxes):
                return render(label, boxes)

    return [(message.role, "".join(map(told, message.parts))) for message in sample.messages]


def pixels(sample: Sample) -> list[bytes]:
    return [image.data if image.data is not None else Path(image.path).read_bytes() for image in sample.images]


@pytest.mark.parametrize("name", FORMATS)
def test_it_is_read_back(out, name):
    source = Source(name="drawn", path="", licence="MIT")
    wanted = [ingest(grounded(number), source) for number in range(NUM_DRAWN)]
    folder = out / name
    files = sorted(str(path) for path in folder.glob("0*.*"))
    found = [sample for sample in open_records(files) if isinstance(sample, Sample)]
    assert [sample.id for sample in found] == [sample.id for sample in wanted]
    assert [said(sample) for sample in found] == [said(sample) for sample in wanted]
    assert [pixels(sample) for sample in found] == [pixels(sample) for sample in wanted]
    if name in ("jsonl", "webdataset"):  # ours keep everything
        for new, old in zip(found, wanted, strict=True):
            assert (new.messages, new.objects, new.answers) == (old.messages, old.objects, old.answers)
            assert (new.provenance, new.quality, new.decision) == (old.provenance, old.quality, old.decision)
    if name == "swift":  # one box stays a box
        assert found[0].messages[2].parts[0] == BoxesPart("a cat", (Box(1, 2, 30, 999),))


def test_rows_that_a_format_cannot_express_are_named(tmp_path):
    place = Message("user", (TextPart("what does <image> mean?"),))
    odd = Sample("odd", (place, Message("assistant", (TextPart("a place"),))))
    open_end = Sample("open", (Message("user", (TextPart("hi"),)),))
    for name in ("llava", "swift", "parquet"):
        files, faults = FORMATS[name]([odd, open_end], tmp_path / name, "0")
        assert files == []
        assert faults == ["a text holds what the format reads as a place", "does not end with an answer"]


def test_the_same_picture_is_one_file(tmp_path):
    row = grounded(1)
    row = Sample(row.id, row.messages, images=(row.images[0], row.images[0]))
    files, _ = FORMATS["jsonl"]([row, row], tmp_path, "0")
    assert len(files) == 2  # the picture and the lines


def test_a_tar_gives_back_what_it_took():
    rows = [grounded(1), Sample("plain", (Message("user", (TextPart("\ud800 half a pair"),)),))]
    sized = Sample("sized", (), images=(ImageSource(data=rows[0].images[0].data, width=48, height=36),))
    assert unpack(pack([*rows, sized])) == [*rows, sized]
    assert pack(rows) == pack(rows)
