"""Every benchmark runs from a little file in each of its true formats, through pocket, to its score and report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="needs the extra evaluation")
pytest.importorskip("rapidfuzz", reason="needs the extra evaluation")

import vl2
from tests.evaluation.runner.fakes import FakeAnswerer
from tests.evaluation.synthetic import FILES, WRITERS
from vl2.evaluation.answerers.engine import EngineAnswerer, identity_of
from vl2.evaluation.answerers.replay import ReplayAnswerer
from vl2.evaluation.job import Job
from vl2.evaluation.loaders import open_rows
from vl2.evaluation.report import write_report
from vl2.evaluation.results import read_results
from vl2.evaluation.runner import run_job
from vl2.evaluation.scoring import has_gold
from vl2.evaluation.task import Profile
from vl2.evaluation.tasks import find_task
from vl2.weights import find_checkpoint


@pytest.fixture(scope="module")
def pocket() -> Iterator[EngineAnswerer]:
    assistant = vl2.load()
    answerer = EngineAnswerer(assistant, identity_of(assistant, "pocket", find_checkpoint("pocket")))
    yield answerer
    answerer.close()


def jobs(format_: str, name: str, folder: Path) -> dict[Profile, Job]:
    """Return a job for each profile of a task."""
    path, task = WRITERS[format_](folder, name), find_task(name)
    return {
        profile: Job(task=task, rows=lambda: open_rows(task, path), profile=profile, data=str(path))
        for profile in task.profiles
    }


@pytest.mark.parametrize(("format_", "name"), FILES)
def test_from_a_file_through_pocket_to_a_score(pocket, format_, name, tmp_path):
    for profile, job in jobs(format_, name, tmp_path).items():
        results = run_job(job, pocket, tmp_path / profile)
        rows = list(job.wanted())
        assert (results.summary.task, results.summary.profile, results.summary.errors) == (name, profile, 0.0)
        assert results.summary.num_rows == len(results.lines) == sum(map(has_gold, rows)) > 0
        assert results.summary.low <= results.summary.score <= results.summary.high
        assert all(line.said for line in results.lines)
        assert read_results(tmp_path / profile) == results
        write_report([tmp_path / profile], tmp_path / "report.html")
        assert job.task.title in (tmp_path / "report.html").read_text(encoding="utf-8")
        replayed = run_job(job, ReplayAnswerer(tmp_path / profile), tmp_path / f"{profile}-again")
        assert replayed == results


@pytest.mark.parametrize(("format_", "name"), [one for one in FILES if one[0] == "parquet"])
def test_right_answers_get_all_there_is(format_, name, tmp_path):
    task = find_task(name)
    profile = "native-grounding" if "native-grounding" in task.profiles else "vlmevalkit"
    job = jobs(format_, name, tmp_path)[profile]
    rows = {row.id: row for row in job.wanted()}

    def say(question):
        row = rows[question.id]
        if row.box is None:
            return row.answers[0]
        x1, y1, x2, y2 = (round(999 * corner / row.images[0].width) for corner in row.box)
        return f"<|ref|>{row.question}<|/ref|><|det|>[[{x1}, {y1}, {x2}, {y2}]]<|/det|>"

    results = run_job(job, FakeAnswerer(say), tmp_path / "out")
    assert [line.state for line in results.lines] == ["correct"] * len(rows)
    assert [line.credit for line in results.lines] == pytest.approx([1.0] * len(rows))
