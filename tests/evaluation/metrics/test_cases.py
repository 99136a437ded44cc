"""Every case of the shared file is scored as each harness scores it; a file of cases that is broken is told so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vl2.core.errors import VL2Error
from vl2.evaluation.case_rules import METRICS
from vl2.evaluation.cases import agrees, run_cases

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
        ({"profile": "vlmevalkit", "expected": 0.5}, 1.0),  # the profile's own expectation is looked at too
        ({"expected_by": {"lmms": 1.0}}, "unknown implementation. Did you mean 'lmms_eval'?"),
        ({"metric": "anls"}, "unknown metric."),
        ({"metric": "acc_iou_0.5", "expected_by": {}}, "KeyError: 'width'"),
        ({"metric": "iou", "prediction": None, "expected_by": {}}, "TypeError: 'NoneType' object is not iterable"),
        ({"meta": [1]}, "not a case"),
        ({"expected_by": "none"}, "not a case"),
        ({"profile": "nobody", "expected_by": {}}, "unknown implementation."),
    ],
)
def test_what_does_not_agree_is_listed(changed, got, tmp_path):
    report = run_cases(write(tmp_path / "cases.jsonl", CASE, CASE | changed))
    assert (report.passed, report.failed) == (1, 1)
    assert report.mismatches[0].got == got


def test_a_case_without_an_expectation_fails(tmp_path):
    case = {name: value for name, value in CASE.items() if name not in ("expected", "expected_by")}
    assert run_cases(write(tmp_path / "cases.jsonl", case)).failed == 1


def test_golds_and_options_that_are_no_texts(tmp_path):
    number = CASE | {"prediction": 5, "references": [5, 6]}
    options = CASE | {"metric": "option_extraction", "prediction": "is 10", "expected": "B", "expected_by": {},
                      "references": None, "meta": {"choices": {"A": 7, "B": 10}}}  # fmt: skip
    assert not run_cases(write(tmp_path / "cases.jsonl", number, options)).mismatches


@pytest.mark.parametrize("line", ["[1]", "not json", '"text"', "[" * 100_000, '"' + "x" * (1 << 21), ""])
def test_a_broken_file_is_one_line(line, tmp_path):
    with pytest.raises(VL2Error):
        run_cases(write(tmp_path / "cases.jsonl", line))
    with pytest.raises(VL2Error, match="cannot be read"):
        run_cases(tmp_path / "missing.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(VL2Error, match="cannot be read"):
        run_cases(tmp_path / "binary.jsonl")


def test_numbers_agree_to_the_places_that_are_given():
    assert agrees(0.99868, 0.9987) and not agrees(0.9985, 0.9987)
    assert agrees(1, 1.0) and not agrees(0.96, 1.0) and not agrees(0.4, 1e-05) and not agrees(1.0, float("nan"))
    assert agrees({"iou": 0.5, "hit": 1}, {"iou": 0.5, "hit": 1}) and not agrees({"iou": 0.5}, {"iou": 0.5, "hit": 1})
    assert agrees([1, 2], [1, 2]) and not agrees([1], [1, 2])
