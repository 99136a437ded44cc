"""Recipes over published sets: from files in their own layout through the steps to shards."""

from __future__ import annotations

import gzip

import pytest
from typer.testing import CliRunner

from tests.corpus.run.sources import contents, recipe_of, silent
from tests.corpus.sources.made import picture, write, write_parquet
from tests.corpus.sources.test_boxed_sources import coco
from tests.corpus.sources.test_page_sources import HTML
from tests.corpus.sources.test_table_sources import pubtabnet
from tests.corpus.sources.test_text_sources import obelics
from vl2.cli import app
from vl2.core.sample import BoxesPart, Sample
from vl2.corpus.run import run_recipe
from vl2.corpus.run_local import LocalExecutor
from vl2.corpus.source import Source
from vl2.data.records import open_records


@pytest.fixture
def folder(tmp_path):
    """Write four sets beside each other."""
    for number in (9, 10):
        write(tmp_path / f"coco/{number:06d}.png", picture(number))
    write(tmp_path / "coco/instances.json.gz", gzip.compress(write(tmp_path / "plain.json", coco()).read_bytes()))
    write(tmp_path / "tables/train/PMC1_001_00.png", picture(20))
    write(tmp_path / "tables/tables.jsonl", (pubtabnet(), pubtabnet(split="val"), pubtabnet(filename="gone.png")))
    write_parquet(tmp_path / "pages/a.parquet", [obelics("Text one.", "Text two.")])
    write(tmp_path / "html/a.html", HTML)
    write(tmp_path / "html/img/a.png", picture(30))
    return tmp_path


def sources(folder) -> tuple[Source, ...]:
    return (
        Source(name="coco", format="coco", path=str(folder / "coco/instances.json.gz"), images=str(folder / "coco")),
        Source(name="tables", format="pubtabnet", path=str(folder / "tables/tables.jsonl"), licence="my own"),
        Source(name="pages", format="obelics", path=str(folder / "pages")),
        Source(name="html", format="html", path=str(folder / "html"), licence="GFDL"),
    )


def run(folder, name: str, workers: int, **more) -> dict[str, bytes]:
    recipe = recipe_of(sources(folder), folder / name, write=("webdataset", "jsonl"), block_rows=1, **more)
    with LocalExecutor(workers) as executor:
        return contents(run_recipe(recipe, executor, silent))


def test_rows_of_published_sets_go_through_a_recipe(folder):
    files = run(folder, "out", 1, steps=())
    assert run(folder, "again", 2, steps=()) | {"recipe.json": b""} == files | {"recipe.json": b""}
    rows = [row for row in open_records(str(folder / "out/webdataset")) if isinstance(row, Sample)]
    told = {row.provenance["source"]: row for row in rows}
    # rows of boxes alone are nothing to train on before a step asks for them
    licences = {name: row.provenance["licence"] for name, row in told.items()}
    assert licences == {"tables": "my own", "pages": "CC-BY-4.0", "html": "GFDL"}
    assert told["tables"].answers[0].startswith("<table>") and len(told["html"].images) == 1
    assert told["tables"].provenance["source_id"] == "5" and told["tables"].provenance["format"] == "pubtabnet"


def test_coco_becomes_questions_where_things_are(folder):
    recipe = recipe_of(sources(folder)[:1], folder / "out", write=("webdataset",),
                       steps=({"use": "locate", "absent_share": 0.0, "chinese_share": 0.0},))  # fmt: skip
    with LocalExecutor(1) as executor:
        run_recipe(recipe, executor, silent)
    (row,) = [row for row in open_records(str(folder / "out/webdataset")) if isinstance(row, Sample)]
    (answer,) = [part for part in row.messages[1].parts if isinstance(part, BoxesPart)]
    assert (answer.label, answer.boxes[0].thousandths()) == ("hot dog", (8, 10, 991, 989))  # of the dogs one has no box


def test_the_command_line_lists_and_checks(folder):
    runner = CliRunner()
    listed = runner.invoke(app, ["corpus", "sources"])
    assert listed.exit_code == 0 and "pubtabnet" in listed.stdout and "CC-BY-SA-3.0" in listed.stdout
    found = runner.invoke(app, ["corpus", "check-source", "pubtabnet", str(folder / "tables/tables.jsonl")])
    assert found.exit_code == 1 and "3 rows, 2 usable" in found.stdout
    assert "2 images, 1 missing" in found.stdout and "skipped: a row of another split: 1" in found.stdout
    sound = runner.invoke(app, ["corpus", "check-source", "obelics", str(folder / "pages")])
    assert sound.exit_code == 0 and "licence: CC-BY-4.0: 1" in sound.stdout
    wrong = runner.invoke(app, ["corpus", "check-source", "cocoa", str(folder)])
    assert wrong.exit_code == 2
