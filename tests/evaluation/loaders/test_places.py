"""Data is found where the hub, VLMEvalKit and Qwen-VL put it; splits and benchmarks are not mixed silently."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from tests.evaluation.synthetic import PARQUET, SIDE, TSV, A, write_grounding, write_parquet, write_tsv
from vl2.core.errors import VL2Error
from vl2.evaluation.loaders import open_rows
from vl2.evaluation.loaders.within import inside
from vl2.evaluation.tasks import TASKS
from vl2.evaluation.verify import verify


def ids(name: str, path: Path, **more) -> list[str]:
    return [row.id for row in open_rows(TASKS[name], path, **more)]


@pytest.mark.parametrize("owner", ["lmms-lab", "lmms-lab-encoder"])
def test_a_repository_is_found_under_both_of_its_owners(owner, tmp_path):
    repository = tmp_path / owner / "DocVQA"
    for name, config in (("docvqa", "DocVQA"), ("infovqa", "InfographicVQA")):
        write_parquet(repository, name).rename(repository / config)
    assert ids("docvqa", tmp_path) == ids("docvqa", repository) == ids("docvqa", repository / "DocVQA") == ["1", "2"]
    assert ids("infovqa", tmp_path) == ids("infovqa", repository) == ["9"]
    assert verify(TASKS["infovqa"], tmp_path).num_rows == 1


def test_the_subsets_of_mmmu_are_one_benchmark(tmp_path):
    for subject in ("Art", "Music"):
        (tmp_path / subject).mkdir()
        rows = [{**PARQUET["mmmu"][0], "id": f"validation_{subject}_1"}]
        parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / subject / "validation-00000-of-00001.parquet")
    rows = list(open_rows(TASKS["mmmu"], tmp_path))
    assert [row.category for row in rows] == ["Art", "Music"]
    assert {row.fields["discipline"] for row in rows} == {"Art & Design"}


def test_several_splits_are_not_one_score(tmp_path):
    folder = write_parquet(tmp_path, "docvqa")
    (folder / "validation-00001-of-00002.parquet").rename(folder / "test-00000-of-00001.parquet")
    with pytest.raises(VL2Error, match=r"several splits \(got test, validation\)"):
        ids("docvqa", folder)
    assert ids("docvqa", folder, split="validation") == ["1"]


def test_a_split_may_be_a_folder(tmp_path):
    table = pyarrow.Table.from_pylist(PARQUET["docvqa"])
    for split in ("validation", "test"):
        (tmp_path / split).mkdir()
        parquet.write_table(table, tmp_path / split / "0000.parquet")
    assert ids("docvqa", tmp_path, split="test") == ["1", "2"]


def test_images_of_parquet_may_be_files(tmp_path):
    (tmp_path / "1.png").write_bytes(A)
    rows = [{**PARQUET["docvqa"][0], "image": {"bytes": None, "path": "1.png"}}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "rows.parquet")
    found = next(open_rows(TASKS["docvqa"], tmp_path / "rows.parquet"))
    assert found.images[0].path == str((tmp_path / "1.png").resolve())


def test_the_table_of_all_three_refcocos_is_three_benchmarks(tmp_path):
    table = write_tsv(tmp_path, "refcoco")
    assert [ids(name, table) for name in ("refcoco", "refcoco_plus", "refcocog")] == [["0", "1"], ["2"], ["3"]]
    assert ids("refcoco", table, split="testA") == ["0"]
    with pytest.raises(VL2Error, match="no row of split 'testB'.*testA, val"):
        ids("refcoco", table, split="testB")


def test_the_same_words_about_two_objects_are_two_rows(tmp_path):
    path = write_grounding(tmp_path, "refcoco")
    path.write_text(path.read_text(encoding="utf-8").splitlines()[0] + "\n" + path.read_text(encoding="utf-8"))
    rows = list(open_rows(TASKS["refcoco"], path))
    assert [row.id for row in rows] == ["1", "2", "3"] and len({row.group for row in rows}) == 1
    assert not any("more than once" in problem for problem in verify(TASKS["refcoco"], path).problems)


def test_ids_and_groups_do_not_tell_where_the_data_lies(tmp_path):
    found = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        found.append([(row.id, row.group) for row in open_rows(TASKS["refcoco"], write_grounding(folder, "refcoco"))])
    assert found[0] == found[1]


@pytest.mark.parametrize("rows, image", [("data/refcoco/rows.jsonl", "data/coco/1.png"), ("rows.jsonl", "coco/1.png")])
def test_images_are_found_from_where_the_harness_ran(rows, image, tmp_path):
    for path in (tmp_path / rows, tmp_path / image):
        path.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / image).write_bytes(A)
    line = {"image": image, "sent": "square", "bbox": [8, 8, 41, 41], "height": SIDE, "width": SIDE}
    (tmp_path / rows).write_text(json.dumps(line) + "\n", encoding="utf-8")
    row = next(open_rows(TASKS["refcoco"], tmp_path / rows))
    assert row.images[0].path == str((tmp_path / image).resolve())
    assert verify(TASKS["refcoco"], tmp_path / rows).num_missing_images == 0


@pytest.mark.parametrize("name", ["data/../../secret.png", "etc/passwd", "data/../../../etc/passwd"])
def test_no_other_folder_above_is_looked_in(name, tmp_path):
    folder = tmp_path / "data" / "refcoco"
    folder.mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(A)
    try:
        assert inside(folder, name).is_relative_to(tmp_path / "data")
    except VL2Error as error:
        assert "leads out" in str(error)


def test_images_of_a_table_may_be_files_as_vlmevalkit_writes_them(tmp_path, monkeypatch):
    (tmp_path / "images" / "DocVQA_VAL").mkdir(parents=True)
    (tmp_path / "images" / "DocVQA_VAL" / "0.jpg").write_bytes(A)
    rows = [{"index": 0, "image_path": "0.jpg", "question": "q", "answer": "['a']"}]
    monkeypatch.setitem(TSV, "docvqa", rows)
    table = write_tsv(tmp_path, "docvqa").rename(tmp_path / "DocVQA_VAL_local.tsv")
    assert verify(TASKS["docvqa"], table).num_missing_images == 0


def test_rows_about_one_image_are_a_group_in_tables_too(tmp_path):
    first, second = open_rows(TASKS["docvqa"], write_tsv(tmp_path, "docvqa"))
    assert first.group == second.group != ""


def test_a_byte_order_mark_is_no_column(tmp_path):
    table = write_tsv(tmp_path, "docvqa")
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert ids("docvqa", table) == ["0", "1"]
