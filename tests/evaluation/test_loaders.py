"""Files that are broken, hostile or incomplete end in one line; verification says what a file holds."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from tests.evaluation.synthetic import PARQUET, TSV, coded, picture, write_grounding, write_parquet, write_tsv
from vl2.core.errors import VL2Error
from vl2.evaluation.loaders import open_rows
from vl2.evaluation.loaders.literal import read_list, texts_of
from vl2.evaluation.tasks import TASKS
from vl2.evaluation.verify import verify

DOCVQA = TASKS["docvqa"]
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the peak of memory is read in /proc")


def read(path, task=DOCVQA, **more):
    return list(open_rows(task, path, **more))


@pytest.mark.parametrize(
    "text, expected",
    [
        ('["a", "b"]', ["a", "b"]), ("['a', 'b']", ["a", "b"]), ("[1, 2]", [1, 2]), ("text", None), ("[a]", None),
        ("__import__('os').system('x')", None), ("[__import__('os')]", None), ("[" * 100 + "]" * 100, None),
        ("[" + "9" * (1 << 21) + "]", None), ("{'a': 1}", None), (str(["[a]"] * 40), ["[a]"] * 40),
    ],
)  # fmt: skip
def test_lists_are_read_without_evaluating(text, expected):
    assert read_list(text) == expected


def test_missing_cells_say_nothing():
    assert texts_of(None) == texts_of("nan") == texts_of("") == texts_of(float("nan")) == ()
    assert texts_of(["", None]) == texts_of("['', '']") == () and texts_of("a") == ("a",)


def test_what_people_answered_is_no_missing_cell():
    assert texts_of("['none', 'nan', 'null', '']") == ("none", "nan", "null", "")
    assert texts_of("none") == ("none",)


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "a/../../b.png"])
def test_a_path_may_not_leave_its_folder(name, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"image": name, "sent": "x", "bbox": [0, 0, 1, 1], "width": 2, "height": 2}) + "\n")
    with pytest.raises(VL2Error, match="leads out of the folder"):
        read(rows, TASKS["refcoco"])


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("a.tsv", "question\tanswer\nx\ty\n", "not a VLMEvalKit table"),
        ("a.tsv", "index\timage\tquestion\tanswer\n1\tx\n", "another number of cells"),
        ("a.tsv", f"index\timage\tquestion\tanswer\n1\t{'%' * 80}\tq\ta\n", "not base64"),
        ("a.tsv", "index\timage\tquestion\tanswer\n1\t77\tq\ta\n", "a row that is not there"),
        ("a.jsonl", "{broken\n", "not JSON"),
        ("a.jsonl", "[1]\n", "not a JSON object"),
        ("a.jsonl", '{"id": 1}\n', "does not fit docvqa"),
        ("a.parquet", "not parquet", "cannot be read as Parquet"),
        ("a.xlsx", "x", "unknown format"),
    ],
)
def test_a_broken_file_is_one_line(name, content, words, tmp_path):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(VL2Error, match=words):
        read(path)


def test_other_columns_are_one_line(tmp_path):
    with pytest.raises(VL2Error, match="does not fit docvqa"):
        read(write_parquet(tmp_path, "mmmu"))
    with pytest.raises(VL2Error, match="not read from this format"):
        read(write_grounding(tmp_path, "refcoco"))
    with pytest.raises(VL2Error, match="no such file"):
        read(tmp_path / "nothing")


def test_splits_are_chosen_by_file_and_by_column(tmp_path):
    folder = write_parquet(tmp_path, "docvqa")
    assert len(read(folder, split="validation")) == 2
    with pytest.raises(VL2Error, match="no Parquet file of split 'test'.*validation"):
        read(folder, split="test")
    table = write_tsv(tmp_path, "mmbench_en")
    assert len(read(table, TASKS["mmbench_en"], split="dev")) == 2
    with pytest.raises(VL2Error, match="no row of split 'test'.*dev"):
        read(table, TASKS["mmbench_en"], split="test")


def test_verification(tmp_path, monkeypatch):
    found = verify(DOCVQA, write_parquet(tmp_path, "docvqa"), split="validation")
    assert (found.format, found.num_records, found.num_rows, found.num_answered) == ("parquet", 2, 2, 2)
    assert found.problems == ("2 questions, validation of DocVQA has 5349",)
    assert verify(DOCVQA, tmp_path / "docvqa").problems == (
        "2 questions, validation of DocVQA has 5349, test of DocVQA has 5188",
    )
    (tmp_path / "t").mkdir()
    table = write_tsv(tmp_path / "t", "docvqa").rename(tmp_path / "t" / "DocVQA_VAL.tsv")
    found = verify(DOCVQA, table)
    assert len(found.md5) == 32 and "VLMEvalKit's file has d5ee77e1926ff10690d469c56b73eabf" in found.problems[0]


def test_verification_finds_what_is_missing(tmp_path, monkeypatch):
    rows = [{**TSV["docvqa"][0], "index": 1, "answer": ""}, {**TSV["docvqa"][0], "index": 1, "answer": "", "image": ""}]
    monkeypatch.setitem(TSV, "docvqa", rows)
    problems = " | ".join(verify(DOCVQA, write_tsv(tmp_path, "docvqa")).problems)
    monkeypatch.setitem(TSV, "ai2d", [{**TSV["ai2d"][0], "answer": "E"}])
    assert "1 answers that are none of their options" in verify(TASKS["ai2d"], write_tsv(tmp_path, "ai2d")).problems
    for words in ("1 questions without an image", "no answers", "1 names of rows occur more than once"):
        assert words in problems


def test_mixed_splits_of_refcoco_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("vl2.evaluation.verify.MIXED", {("refcoco", 1): "3811 and 5000"})
    found = verify(TASKS["refcoco"], write_parquet(tmp_path, "refcoco"))
    assert found.num_records == 1 and found.num_rows == 2
    assert "not comparable with published ones" in found.problems[0]


@needs_proc
def test_a_large_table_is_not_kept_in_memory(tmp_path):
    cell = coded(picture() + b"\0" * 400_000)
    path = tmp_path / "large.tsv"
    with path.open("w", encoding="utf-8") as stream:
        stream.write("index\timage\tquestion\tanswer\n")
        for number in range(120):  # 64 MB
            stream.write(f"{number}\t{cell if number % 3 else (str(number - 1) if number else cell)}\tq\ta\n")
    number, megabytes = read_apart(path)
    assert number == 120 and megabytes < 40


@needs_proc
def test_a_large_parquet_file_is_not_kept_in_memory(tmp_path):
    row, data = PARQUET["docvqa"][0], random.Random(3).randbytes(200_000)
    path = tmp_path / "validation-00000-of-00001.parquet"
    images = [{"bytes": number.to_bytes(2, "big") + data, "path": None} for number in range(20)]
    group = pyarrow.Table.from_pylist([{**row, "image": image} for image in images])
    with parquet.ParquetWriter(path, group.schema, compression="none") as writer:
        for _ in range(30):  # 120 MB
            writer.write_table(group)
    number, megabytes = read_apart(path)
    assert number == 600 and megabytes < 100  # 166 when all of it is fetched ahead


def read_apart(path):
    """Return how many rows a process of its own reads from a file, and the megabytes that this takes."""
    # not ru_maxrss: a new process begins with the peak of the one that started it
    script = (
        "import sys\nfrom pathlib import Path\nimport pyarrow.parquet\n"
        "from vl2.evaluation.loaders import open_rows\nfrom vl2.evaluation.tasks import TASKS\n"
        "peak = lambda: int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]) / 1024\n"
        "start = peak()\n"
        "n = sum(len(r.images[0].data) > 0 for r in open_rows(TASKS['docvqa'], Path(sys.argv[1])))\n"
        "print(n, peak() - start)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    number, megabytes = done.stdout.split()
    assert float(megabytes) > 1, "the peak was measured"
    return int(number), float(megabytes)
