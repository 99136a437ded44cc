"""Every case of the shared file is scored as each harness scores it; a file of cases that is broken is told so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vl2.core.errors import VL2Error
from vl2.evaluation.cases import METRICS, agrees, run_cases

CASES = Path(__file__).parents[1] / "fixtures" / "metric_cases.jsonl"
NUM_CASES = 167


def test_every_case_in_every_dialect():
    report = run_cases(CASES)
    assert not report.mismatches, "\n".join(map(str, report.mismatches))
    assert (report.passed, report.failed) == (NUM_CASES, 0)


def test_every_metric_has_a_case():
    tested = {json.loads(line)["metric"] for line in CASES.read_text(encoding="utf-8").splitlines()}
    assert tested == set(METRICS)


def write(path: Path, *records) -> Path:
    path.write_text("".join(f"{r if isinstance(r, str) else json.dumps(r)}\n" for r in records), encoding="utf-8")
    return path


CASE = {"id": "x", "metric": "ANLS", "prediction": "ab", "references": ["ab"], "meta": {}, "expected": 1.0,
        "profile": "canonical", "expected_by": {"vlmevalkit": 1.0}}  # fmt: skip


@pytest.mark.parametrize(
    "changed, got",
    [
        ({"expected": 0.5}, 1.0),
        ({"expected_by": {"nobody": 1.0}}, "no rule of this name"),
        ({"metric": "BLEU"}, "no rule of this name"),
        ({"metric": "acc_iou_0.5", "expected_by": {}}, "KeyError: 'width'"),
    ],
)
def test_what_does_not_agree_is_listed(changed, got, tmp_path):
    report = run_cases(write(tmp_path / "cases.jsonl", CASE, CASE | changed))
    assert (report.passed, report.failed) == (1, 1)
    assert report.mismatches[0].got == got


@pytest.mark.parametrize("line", ["[1]", "not json", '"text"'])
def test_a_broken_file_is_one_line(line, tmp_path):
    with pytest.raises(VL2Error):
        run_cases(write(tmp_path / "cases.jsonl", line))
    with pytest.raises(VL2Error, match="cannot be read"):
        run_cases(tmp_path / "missing.jsonl")


def test_numbers_agree_to_the_places_that_are_given():
    assert agrees(0.99868, 0.9987) and not agrees(0.9985, 0.9987)
    assert agrees({"iou": 0.5, "hit": 1}, {"iou": 0.5, "hit": 1}) and not agrees({"iou": 0.5}, {"iou": 0.5, "hit": 1})
    assert agrees([1, 2], [1, 2]) and not agrees([1], [1, 2])
