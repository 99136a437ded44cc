"""Files for the official servers have the form that they take, and no holes; galleries lead whole conversations."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

import vl2
from tests.evaluation.synthetic import write_parquet, write_tsv
from vl2.core.errors import VL2Error
from vl2.evaluation.answerers.echo import EchoAnswerer
from vl2.evaluation.galleries import GALLERIES, show_gallery
from vl2.evaluation.job import Job
from vl2.evaluation.loaders import open_rows
from vl2.evaluation.log import AnswerLine, AnswerLog
from vl2.evaluation.manifest import Manifest, keep_manifest
from vl2.evaluation.plan import make_plan
from vl2.evaluation.rank import Rank
from vl2.evaluation.runner import run_job
from vl2.evaluation.submission import WRITERS, write_submission
from vl2.evaluation.tasks import TASKS

EXAMPLES = Path(__file__).parents[2] / "examples"


def job_of(name: str, path: Path) -> Job:
    return Job(task=TASKS[name], rows=lambda: open_rows(TASKS[name], path), profile="vlmevalkit", data=str(path))


def submitted(name: str, path: Path, folder: Path):
    job = job_of(name, path)
    run_job(job, EchoAnswerer(), folder / "run")
    number = write_submission(folder / "run", job, folder / "file")
    assert number == len(list(job.wanted()))
    return (folder / "file").read_text(encoding="utf-8")


@pytest.mark.parametrize("name, key", [("docvqa", "questionId"), ("textvqa", "question_id")])
def test_numbered_answers(name, key, tmp_path):
    listed = json.loads(submitted(name, write_parquet(tmp_path, name), tmp_path))
    assert all(type(one[key]) is int and isinstance(one["answer"], str) for one in listed)


def test_mmmu_and_mathvista(tmp_path):
    assert set(json.loads(submitted("mmmu", write_parquet(tmp_path / "a", "mmmu"), tmp_path / "a"))) == {
        "validation_Art_1", "validation_Art_2"}  # fmt: skip
    found = json.loads(submitted("mathvista", write_parquet(tmp_path / "b", "mathvista"), tmp_path / "b"))
    assert all(set(one) == {"response", "extraction"} for one in found.values())


def test_every_rotation_of_mmbench(tmp_path):
    table = submitted("mmbench_en", write_tsv(tmp_path, "mmbench_en"), tmp_path)
    head, *rows = csv.reader(io.StringIO(table), delimiter="\t")
    assert head[:7] == ["index", "question", "A", "B", "C", "D", "prediction"]
    assert [row[0] for row in rows] == ["0", "1000000"]


def test_a_run_with_holes_is_refused(tmp_path):
    job = job_of("docvqa", write_parquet(tmp_path, "docvqa"))
    identity = EchoAnswerer().identity
    (tmp_path / "run").mkdir()
    manifest = Manifest(task="docvqa", profile="vlmevalkit", prompt="", identity=identity, data="")
    keep_manifest(tmp_path / "run", manifest)
    first = make_plan(job, identity)[0]
    with AnswerLog(tmp_path / "run", Rank()) as log:
        log.append(AnswerLine(key=first.key, id="1", images=(), said="x", finish_reason="stop", num_tokens=1))
    with pytest.raises(VL2Error, match="row 2: has no answer"):
        write_submission(tmp_path / "run", job, tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_what_has_no_server_is_refused(tmp_path):
    with pytest.raises(VL2Error, match="ChartQA has no server"):
        write_submission(tmp_path, job_of("chartqa", tmp_path), tmp_path / "file")
    assert set(WRITERS) <= set(TASKS)


@pytest.mark.parametrize("name", GALLERIES)
def test_a_gallery_leads_whole_conversations(name):
    pictures = [str(EXAMPLES / file) for file in ("shapes.png", "sign.png", "receipt.png", "chart.png")]
    turns = list(show_gallery(vl2.load(), name, pictures, max_new_tokens=8))
    single = [scene for scene in GALLERIES[name] if scene.num_pictures == 1]
    several = [scene for scene in GALLERIES[name] if scene.num_pictures > 1]
    expected = sum(len(s.questions) for s in several) + len(pictures) * sum(len(s.questions) for s in single)
    assert len(turns) == expected and all(turn.answer.token_ids for turn in turns)


def test_a_gallery_says_what_it_needs():
    with pytest.raises(VL2Error, match="storytelling needs more pictures"):
        list(show_gallery(vl2.load(), "storytelling", ["a.png"]))
    with pytest.raises(VL2Error, match="Did you mean 'grounding'"):
        list(show_gallery(vl2.load(), "groundin", ["a.png"]))
