"""What is finished is never asked again, and what is asked is what the manifest says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.evaluation.runner import toy
from tests.evaluation.runner.fakes import FakeAnswerer
from vl2.core.errors import VL2Error
from vl2.evaluation.answerers.answerer import Question
from vl2.evaluation.answerers.echo import EchoAnswerer
from vl2.evaluation.answerers.replay import ReplayAnswerer
from vl2.evaluation.log import read_answers
from vl2.evaluation.manifest import read_manifest
from vl2.evaluation.rank import Rank, locked
from vl2.evaluation.results import read_results
from vl2.evaluation.runner import run_job
from vl2.evaluation.scoring import has_gold


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.write_rows(tmp_path_factory.mktemp("rows"), 12)


def guess(_: Question) -> str:
    return "guess"


def lines_of(folder: Path) -> list[dict]:
    return [json.loads(line) for path in sorted(folder.glob("answers*.jsonl")) for line in path.open()]


def test_a_second_run_asks_nothing(drawn, tmp_path):
    first, second = FakeAnswerer(guess), FakeAnswerer(guess)
    results = run_job(toy.job(drawn), first, tmp_path)
    assert run_job(toy.job(drawn), second, tmp_path) == results
    assert (len(first.asked), len(second.asked)) == (12, 0)
    assert read_results(tmp_path) == results
    assert results is not None
    assert results.summary.num_rows == 12


def test_more_rows_are_added_to_fewer(drawn, tmp_path):
    few, all_ = FakeAnswerer(guess), FakeAnswerer(guess)
    assert run_job(toy.job(drawn, limit=5), few, tmp_path).summary.num_rows == 5
    assert run_job(toy.job(drawn), all_, tmp_path).summary.num_rows == 12
    assert (len(few.asked), len(all_.asked)) == (5, 7)


def test_errors_count_apart_and_are_tried_again(drawn, tmp_path):
    failing = FakeAnswerer(lambda question: "ERROR" if question.id in "14" else "guess")
    results = run_job(toy.job(drawn), failing, tmp_path)
    assert results.summary.errors == pytest.approx(2 / 12)
    assert {line.id for line in results.lines if line.state == "error"} == {"1", "4"}
    mended = FakeAnswerer(lambda question: "")
    results = run_job(toy.job(drawn), mended, tmp_path)
    assert {question.id for question in mended.asked} == {"1", "4"}
    assert (results.summary.errors, results.summary.unparsed) == (0.0, pytest.approx(2 / 12))


def test_a_torn_line_is_asked_again_and_the_file_stays_whole(drawn, tmp_path):
    run_job(toy.job(drawn), FakeAnswerer(guess), tmp_path)
    path = tmp_path / "answers.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    again = FakeAnswerer(guess)
    assert run_job(toy.job(drawn), again, tmp_path).summary.num_rows == 12
    assert len(again.asked) == 1
    assert len({line["key"] for line in lines_of(tmp_path)}) == len(lines_of(tmp_path)) == 12


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fingerprint": "other"}, "another identity.fingerprint"),
        ({"settings": {"dtype": "float32"}}, "another identity.settings.dtype"),
    ],
)
def test_another_model_is_refused(drawn, tmp_path, changes, said):
    run_job(toy.job(drawn), FakeAnswerer(guess), tmp_path)
    other = FakeAnswerer(guess, **changes)
    with pytest.raises(VL2Error, match=said) as caught:
        run_job(toy.job(drawn), other, tmp_path)
    assert "--restart" in str(caught.value)
    run_job(toy.job(drawn), other, tmp_path, restart=True)
    assert len(other.asked) == len(lines_of(tmp_path)) == 12


def test_another_prompt_is_refused(drawn, tmp_path):
    run_job(toy.job(drawn), FakeAnswerer(guess), tmp_path)
    rule = replace(toy.TASK.profiles["vlmevalkit"], max_new_tokens=25)
    task = replace(toy.TASK, profiles={"vlmevalkit": rule})
    with pytest.raises(VL2Error, match="another prompt"):
        run_job(replace(toy.job(drawn), task=task), FakeAnswerer(guess), tmp_path)
    with pytest.raises(VL2Error, match="profile: toy has no such prompts"):
        run_job(replace(toy.job(drawn), profile="lmms"), FakeAnswerer(guess), tmp_path)


def test_a_changed_image_is_asked_about_again(tmp_path):
    rows, out = toy.write_rows(tmp_path / "rows", 3), tmp_path / "out"
    run_job(toy.job(rows), FakeAnswerer(guess), out)
    (rows / "1.png").write_bytes((rows / "2.png").read_bytes())
    again = FakeAnswerer(guess)
    run_job(toy.job(rows), again, out)
    assert [question.id for question in again.asked] == ["1"]


def test_two_ranks_share_the_rows(drawn, tmp_path):
    ranks = [FakeAnswerer(guess), FakeAnswerer(guess)]
    assert run_job(toy.job(drawn), ranks[0], tmp_path, rank=Rank(number=0, size=2)) is None
    results = run_job(toy.job(drawn), ranks[1], tmp_path, rank=Rank(number=1, size=2))
    assert results.summary.num_rows == 12
    assert sorted(question.id for rank in ranks for question in rank.asked) == sorted(map(str, range(12)))
    assert {path.name for path in tmp_path.glob("answers*")} == {"answers.0.jsonl", "answers.1.jsonl"}
    alone = FakeAnswerer(guess)
    assert run_job(toy.job(drawn), alone, tmp_path) == results  # now by one process: nothing is left to ask
    assert not alone.asked


def test_only_one_process_writes(drawn, tmp_path):
    with locked(tmp_path, Rank()), pytest.raises(VL2Error, match="another process is writing here"):
        run_job(toy.job(drawn), FakeAnswerer(guess), tmp_path)
    two = [Rank(number=i, size=2) for i in range(2)]
    with locked(tmp_path, two[0]):
        with locked(tmp_path, two[1]):
            pass
        for other in (two[0], Rank()):
            with pytest.raises(VL2Error, match="another process"), locked(tmp_path, other):
                pass


def test_replay_equals_the_original(drawn, tmp_path):
    original = run_job(toy.job(drawn), FakeAnswerer(lambda q: "red" if q.id == "3" else ""), tmp_path / "a")
    replayed = run_job(toy.job(drawn), ReplayAnswerer(tmp_path / "a"), tmp_path / "b")
    assert replayed == original
    assert read_manifest(tmp_path / "a") == read_manifest(tmp_path / "b")
    assert {k: v.said for k, v in read_answers(tmp_path / "a").items()} == {
        k: v.said for k, v in read_answers(tmp_path / "b").items()
    }


def test_replay_of_a_log_of_another_origin_goes_by_id(drawn, tmp_path):
    log = tmp_path / "said.jsonl"
    log.write_text("".join(json.dumps({"id": str(i), "said": f"a{i}"}) + "\n" for i in range(11)))
    results = run_job(toy.job(drawn), ReplayAnswerer(log), tmp_path / "out")
    assert {line.id: line.said for line in results.lines} == {str(i): f"a{i}" if i < 11 else "" for i in range(12)}
    assert [line.state for line in results.lines if line.id == "11"] == ["error"]


def test_rows_without_answers_are_answered_and_not_scored(drawn, tmp_path):
    hidden = [replace(row, answers=()) if row.id in "01" else row for row in toy.read_rows(drawn)]
    results = run_job(replace(toy.job(drawn), rows=lambda: iter(hidden)), EchoAnswerer(), tmp_path)
    assert (results.summary.num_rows, len(results.lines)) == (10, 10)
    assert len(read_answers(tmp_path)) == 12
    assert [has_gold(row) for row in hidden[:3]] == [False, False, True]


def test_a_row_that_cannot_be_asked_is_an_error_of_its_own(drawn, tmp_path):
    def ask(row):
        if row.id == "2":
            raise VL2Error("image 2", "cannot be enlarged")
        return toy.ask(row)

    task = replace(toy.TASK, profiles={"vlmevalkit": replace(toy.TASK.profiles["vlmevalkit"], ask=ask)})
    results = run_job(replace(toy.job(drawn), task=task), FakeAnswerer(guess), tmp_path)
    assert [line.id for line in results.lines if line.state == "error"] == ["2"]
    assert "cannot be enlarged" in next(line for line in read_answers(tmp_path).values() if line.error).error


def test_a_broken_log_or_no_rows_are_refused(drawn, tmp_path):
    run_job(toy.job(drawn), FakeAnswerer(guess), tmp_path)
    path = tmp_path / "answers.jsonl"
    path.write_bytes(b"{broken\n" + path.read_bytes())
    with pytest.raises(VL2Error, match=r"answers.jsonl:1: not a JSON object"):
        run_job(toy.job(drawn), FakeAnswerer(guess), tmp_path)
    with pytest.raises(VL2Error, match="holds no rows"):
        run_job(replace(toy.job(drawn), rows=lambda: iter(())), FakeAnswerer(guess), tmp_path / "none")


def test_text_that_is_no_unicode_is_kept(drawn, tmp_path):
    said = "half \ud83d a pair, 中文, a line\u2028separator"
    results = run_job(toy.job(drawn, limit=2), FakeAnswerer(lambda _: said), tmp_path)
    assert {line.said for line in read_results(tmp_path).lines} == {said}
    assert read_results(tmp_path) == results
