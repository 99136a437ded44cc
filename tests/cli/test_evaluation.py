"""vl2 eval: from a file of rows to scores, again without a model, and side by side."""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import only_line, run
from tests.cli.test_process import COMMAND, ENVIRONMENT
from tests.evaluation.runner.toy import write_rows
from tests.evaluation.runner.wire import answering, completion

CASE = {
    "id": "c1",
    "benchmark": "DocVQA",
    "metric": "ANLS",
    "prediction": "abc",
    "references": ["abc"],
    "expected": 1.0,
}
PROMPT = "what is the total?\nAnswer the question using a single word or phrase."
PROMPT_CASE = {
    "benchmark": "DocVQA", "vlmevalkit_dataset": "DocVQA_TEST", "line": {"question": "what is the total?"},
    "images": ["1.png"], "deepseek_vl2_conversation": [
        {"role": "<|User|>", "content": f"<image>\n{PROMPT}", "images": ["1.png"]},
        {"role": "<|Assistant|>", "content": ""},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("rows"), 12) / "rows.jsonl"


def summary_of(result) -> dict:
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout)
    return found


def test_help_is_quick() -> None:
    command = [*COMMAND, "eval", "--help"]
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        shown = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 1.0, "0.18 s of wall time on a quiet machine; of the processor's here, which may be shared"
    imported = subprocess.run([sys.executable, "-X", "importtime", *COMMAND[1:], "eval", "--help"], capture_output=True,
                              text=True, env=ENVIRONMENT, check=True).stderr  # fmt: skip
    names = re.findall(r"\| *([\w.]+)$", imported, re.MULTILINE)
    assert names and not {"torch", "pyarrow", "numpy", "vl2.evaluation"} & set(names)
    assert all(verb in shown for verb in ("run", "score", "report", "compare", "list", "data", "cases"))


def test_a_run_from_rows_to_scores_and_again(rows: Path, tmp_path: Path) -> None:
    words = ["eval", "run", "chartqa", "--data", rows, "--out", tmp_path, "--json", "--batch-size", "4"]
    found = summary_of(run(*words))
    assert (found["task"], found["profile"], found["model"], found["num_rows"]) == (
        "chartqa",
        "vlmevalkit",
        "pocket",
        12,
    )
    assert found["low"] <= found["score"] <= found["high"]
    assert found["activated_parameters"] > 1_000_000
    size = (tmp_path / "chartqa" / "answers.jsonl").stat().st_size
    assert summary_of(run(*words)) == found
    assert summary_of(run("eval", "score", tmp_path / "chartqa", "--json")) == found
    assert (tmp_path / "chartqa" / "answers.jsonl").stat().st_size == size
    other = summary_of(run("eval", "score", tmp_path / "chartqa", "--json", "--dialect", "lmms"))
    assert other["dialect"] == "lmms"

    replayed = tmp_path / "replayed"
    again = run("eval", "run", "chartqa", "--data", rows, "--out", replayed, "--replay", tmp_path / "chartqa")
    assert again.exit_code == 0
    assert f"{found['score']:.2f}" in again.stdout
    compared = run("eval", "compare", tmp_path / "chartqa", replayed / "chartqa", "--json")
    assert compared.exit_code == 2  # the first was scored by other rules last
    assert "dialects: differ" in compared.stderr
    run("eval", "score", tmp_path / "chartqa", "--dialect", "vlmevalkit")
    compared = run("eval", "compare", tmp_path / "chartqa", replayed / "chartqa", "--json")
    assert json.loads(compared.stdout)["is_significant"] is False
    assert run("eval", "compare", tmp_path, replayed, "--json").stdout == compared.stdout  # the runs, task by task


def test_a_judge_reads_only_what_no_rule_could(rows: Path, tmp_path: Path) -> None:
    log = tmp_path / "said.jsonl"
    log.write_text("".join(json.dumps({"id": str(i), "said": "yes" if i % 2 else "hm"}) + "\n" for i in range(12)))
    asked = tmp_path / "asked.jsonl"
    lines = [json.loads(line) | {"answers": ["yes"]} for line in rows.read_text().splitlines()]
    for line in lines:
        shutil.copy(rows.parent / line["image"], tmp_path)
    asked.write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = ["eval", "run", "mme", "--data", asked, "--out", tmp_path / "out", "--replay", log, "--json"]
    before = summary_of(run(*words))
    with answering(lambda *_: (200, completion("correct"))) as (address, bodies):
        found = summary_of(run(*words, "--judge", address, "--judge-model", "j"))
    assert before["unparsed"] == pytest.approx(0.5)
    assert (found["judged"], found["unparsed"], len(bodies)) == (6, 0.0, 6)
    assert found["score"] > before["score"]
    assert len((tmp_path / "out" / "mme" / "judged.jsonl").read_text().splitlines()) == 6


def test_processes_of_torchrun_share_the_rows(rows: Path, tmp_path: Path) -> None:
    command = [*COMMAND, "eval", "run", "chartqa", "--data", str(rows), "--out", str(tmp_path), "--echo"]
    processes = [
        subprocess.Popen(command, env=ENVIRONMENT | {"RANK": str(rank), "WORLD_SIZE": "2"}, stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    for process in processes:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    keys = [
        json.loads(line)["key"] for rank in range(2) for line in (tmp_path / f"chartqa/answers.{rank}.jsonl").open()
    ]
    assert len(keys) == len(set(keys)) == 12
    assert json.loads((tmp_path / "chartqa" / "summary.json").read_text())["num_rows"] == 12


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "docvq", "--data", "x"], "Did you mean 'docvqa'"),
        (["run", "docvqa"], "data: is not given"),
        (["run", "docvqa", "--data", "none.jsonl", "--echo"], "no such file"),
        (["run", "docvqa", "chartqa", "--data", "ROWS"], "{task}"),
        (["run", "docvqa", "--data", "ROWS", "--profile", "native-grounding"], "has no such prompts"),
        (["run", "docvqa", "--data", "ROWS", "--echo", "--endpoint", "http://127.0.0.1:9/v1"], "both answer"),
        (["run", "docvqa", "--data", "ROWS", "--endpoint", "http://127.0.0.1:9/v1"], "cannot be reached"),
        (["run", "docvqa", "--data", "ROWS", "--echo", "--judge", "http://127.0.0.1:9/v1"], "cannot be reached"),
        (["run", "docvqa", "--data", "ROWS", "--echo", "--degrade", "blurr:1"], "Did you mean 'blur'"),
        (["run", "docvqa", "--data", "ROWS", "--echo", "--degrade", "blur:6"], "unknown level"),
        (["run", "docvqa", "--data", "ROWS", "--echo", "--degrade", "blur"], "unknown level"),
        (["score", "none"], "holds no manifest.json"),
        (["compare", "none", "none"], "holds no summary.json"),
        (["cases", "none.jsonl"], "holds no cases"),
        (["data", "verify", "docvqa", "none.tsv"], "no such file"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(rows: Path, words: list[str], message: str) -> None:
    result = run("eval", *[str(rows) if word == "ROWS" else word for word in words])
    assert result.exit_code == 2
    assert message in only_line(result)


@pytest.mark.parametrize(
    ("case", "changed"),
    [
        (CASE, {"expected": 0.0}),
        (PROMPT_CASE, {"line": {"question": "what?"}}),
    ],
)
def test_cases_pass_or_say_why_not(tmp_path: Path, case: dict, changed: dict) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text(json.dumps(case) + "\n")
    result = run("eval", "cases", file)
    assert (result.exit_code, result.stdout) == (0, "passed 1, failed 0\n")
    file.write_text(json.dumps(case) + "\n" + json.dumps(case | changed) + "\n")
    result = run("eval", "cases", file)
    assert result.exit_code == 1
    *mismatches, last = result.stdout.splitlines()
    assert last == "passed 1, failed 1"
    assert mismatches
    assert "expected" in mismatches[0]


def test_data_is_looked_at(rows: Path) -> None:
    result = run("eval", "data", "verify", "chartqa", rows)
    assert result.exit_code == 0
    assert "12 in the file, 12 questions, 12 answered" in result.stdout
    assert "MD5" in result.stdout


def test_tasks_are_listed() -> None:
    lines = run("eval", "list").stdout.splitlines()[1:]
    assert len(lines) >= 17
    assert any(line.startswith("infovqa ") and "ANLS" in line for line in lines)


def test_what_a_task_asks_is_in_the_manifest(rows: Path, tmp_path: Path) -> None:
    assert run("eval", "run", "docvqa", "--data", rows, "--out", tmp_path, "--echo", "--limit", "2").exit_code == 0
    manifest = json.loads((tmp_path / "docvqa" / "manifest.json").read_text())
    assert (manifest["task"], manifest["limit"], manifest["identity"]["model"]) == ("docvqa", 2, "echo")
    said = [json.loads(line)["said"] for line in (tmp_path / "docvqa" / "answers.jsonl").open()]
    assert all(text.endswith("\nAnswer the question using a single word or phrase.") for text in said)
    other = run("eval", "run", "docvqa", "--data", rows, "--out", tmp_path, "--echo", "--profile", "lmms")
    assert other.exit_code == 2
    assert "another profile" in only_line(other)


def test_corruption_is_a_run_of_its_own(rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["eval", "run", "chartqa", "--data", rows, "--echo", "--limit", "3"]
    assert run(*words).exit_code == 0
    assert "blur:2" in run(*words, "--degrade", "blur:2").stdout
    assert {path.parent.parent.name for path in Path("runs/eval/echo").glob("*/chartqa/summary.json")} == {
        "vlmevalkit", "vlmevalkit-blur-2",
    }  # fmt: skip
