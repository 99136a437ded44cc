"""Metric cases: a file of answers with the score that each harness gives them, run against our metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vl2.core.errors import VL2Error, nearest
from vl2.evaluation.case_rules import METRICS, Case, Rule

MOST_LINE = 1 << 20  # letters
LEAST_PLACES = 4  # of a decimal fraction: 1.0 means 1.0000
ALIASES = {"vlmevalkit": "vlmevalkit_exact_matching"}  # a profile by the name of its implementation
Scalar = int | float


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """A case that one implementation's rules score in another way here."""

    id: str
    metric: str
    implementation: str
    expected: Any
    got: Any

    def __str__(self) -> str:
        return f"{self.id} {self.metric} {self.implementation}: got {self.got!r}, expected {self.expected!r}"


@dataclass(frozen=True, kw_only=True)
class CaseReport:
    """What came of a file of cases; a case passes when all that it expects is so."""

    passed: int
    failed: int
    mismatches: tuple[Mismatch, ...]


def run_cases(path: Path) -> CaseReport:
    """Score every case of a JSONL file by the rules of each implementation that it names. Raises VL2Error."""
    mismatches: list[Mismatch] = []
    num_failed = num_cases = 0
    for record in read_records(path):
        found = list(mismatches_of(record))
        num_cases += 1
        num_failed += bool(found)
        mismatches += found
    if not num_cases:
        raise VL2Error(str(path), "has no cases", do="Give a JSONL file of cases.")
    return CaseReport(passed=num_cases - num_failed, failed=num_failed, mismatches=tuple(mismatches))


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSONL file. Raises VL2Error on a line that is none."""
    number = 0
    try:
        with path.open(encoding="utf-8") as lines:
            while line := lines.readline(MOST_LINE):
                number += 1
                if not line.strip():
                    continue
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise VL2Error(f"{path.name}, line {number}", "not a case", expected="a JSON object")
                yield record
    except (OSError, ValueError, RecursionError) as error:
        thing = f"{path}, line {number}" if number else str(path)
        raise VL2Error(thing, "cannot be read", got=str(error)[:120], do="Give a JSONL file of cases.") from None


def mismatches_of(record: Mapping[str, Any]) -> Iterator[Mismatch]:
    """Yield where a case and our metrics differ; a case that expects nothing differs too."""
    golds, meta, by = record.get("references") or [], record.get("meta") or {}, record.get("expected_by") or {}
    name, metric = str(record.get("id", "?")), str(record.get("metric", "?"))
    expected = [(str(record.get("profile", "canonical")), record["expected"])] if "expected" in record else []
    if not (isinstance(golds, list) and isinstance(meta, dict) and isinstance(by, dict) and (expected or by)):
        shape = "expected or expected_by; references as a list, meta and expected_by as objects"
        yield Mismatch(id=name, metric=metric, implementation="", expected=shape, got="not a case")
        return
    case = Case(id=name, metric=metric, said=record.get("prediction"), golds=golds, meta=meta)
    rules = METRICS.get(metric, {})
    for implementation, wanted in (*(pair for pair in expected if pair not in by.items()), *by.items()):
        rule = rules.get(implementation) or rules.get(ALIASES.get(implementation, ""))
        got = _scored(rule, case) if rule else _unknown(metric, implementation)
        if not agrees(got, wanted):
            yield Mismatch(id=name, metric=metric, implementation=implementation, expected=wanted, got=got)


def _unknown(metric: str, implementation: str) -> str:
    if metric not in METRICS:
        return f"unknown metric. {nearest(metric, METRICS)}".rstrip()
    return f"unknown implementation. {nearest(implementation, METRICS[metric])}".rstrip()


def _scored(rule: Rule, case: Case) -> Any:
    try:
        return rule(case)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"  # the case lacks what its metric needs


def agrees(got: Any, wanted: Any) -> bool:
    """Compare scores; numbers to the places that are given, of a mapping what is expected of it."""
    if isinstance(wanted, Mapping):
        return isinstance(got, Mapping) and all(name in got and agrees(got[name], wanted[name]) for name in wanted)
    if isinstance(wanted, list):
        return isinstance(got, list) and len(got) == len(wanted) and all(map(agrees, got, wanted))
    if isinstance(wanted, float) and isinstance(got, Scalar):
        places = len(f"{wanted:.9f}".rstrip("0").partition(".")[2])
        return abs(got - wanted) <= 0.5 * 10.0 ** -max(LEAST_PLACES, places) + 1e-9
    return got == wanted
