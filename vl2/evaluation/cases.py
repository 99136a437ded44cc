"""Metric cases: a file of answers with the score that each harness gives them, run against our metrics."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from vl2.core.errors import VL2Error
from vl2.evaluation.metrics import boxes, exact, mathvista
from vl2.evaluation.metrics.anls import anls
from vl2.evaluation.metrics.circular import circular_hit
from vl2.evaluation.metrics.marked_letter import read_marked_letter
from vl2.evaluation.metrics.mmmu import match_open, read_choice
from vl2.evaluation.metrics.options import prefetch_option, read_option
from vl2.evaluation.metrics.relaxed_accuracy import relaxed_accuracy
from vl2.evaluation.metrics.soft_accuracy import soft_accuracy
from vl2.evaluation.metrics.substring import contains_gold
from vl2.evaluation.metrics.totals import META_TASKS, PERCENT, mme_sum, mmt_scores
from vl2.evaluation.metrics.yes_no import read_yes_no
from vl2.evaluation.standard_error import clustered_stderr, mean_stderr
from vl2.evaluation.verdict import Dialect

MAX_LINE_BYTES = 1 << 20
FORMULAS = "HME100k"
ALIASES = {"vlmevalkit": "vlmevalkit_exact_matching"}  # a profile by the name of its implementation


@dataclass(frozen=True, kw_only=True)
class Case:
    """One line of the file."""

    id: str
    metric: str
    said: Any
    golds: list[Any]
    meta: Mapping[str, Any]

    @property
    def text(self) -> str:
        """Return the answer as a text."""
        return "" if self.said is None else str(self.said)

    @property
    def options(self) -> dict[str, str]:
        """Return letters and texts of the options, however the case lists them."""
        given = self.meta.get("choices") or self.meta.get("options") or {}
        listed = given.items() if isinstance(given, Mapping) else zip(ascii_uppercase, given, strict=False)
        return {letter: str(text) for letter, text in listed}


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


Rule = Callable[[Case], Any]
DIALECTS: dict[str, Dialect] = {"canonical": "canonical", "vlmevalkit": "vlmevalkit", "lmms_eval": "lmms",
                                "official": "official"}  # fmt: skip


def in_dialects(rule: Callable[[Case, Dialect], Any]) -> dict[str, Rule]:
    """Return the rule of every implementation for a metric that knows dialects."""
    return {name: (lambda case, dialect=dialect: rule(case, dialect)) for name, dialect in DIALECTS.items()}


def _same(rule: Rule, *names: str) -> dict[str, Rule]:
    return dict.fromkeys(("canonical", *names), rule)


def _letter(found: str) -> str | None:
    return found or None


def _form(case: Case) -> mathvista.Form:
    meta = case.meta
    return mathvista.Form(question_type=meta["question_type"], answer_type=meta["answer_type"],
                          precision=meta["precision"], choices=tuple(meta["choices"] or ()))  # fmt: skip


def _located(case: Case, dialect: boxes.BoxDialect) -> dict[str, float]:
    box = boxes.first_box(case.text, case.meta["width"], case.meta["height"], dialect)
    return _overlap(boxes.iou(box, case.golds[0]) if box else 0.0)


def _overlap(value: float) -> dict[str, float]:
    return {"iou": value, "hit": int(value >= boxes.HIT_IOU)}


def _circular(case: Case, read: Callable[[str, Mapping[str, str]], str]) -> int:
    return circular_hit([read(said, options) for said, options in zip(case.said, case.meta["choices"], strict=True)],
                        case.golds)  # fmt: skip


def _mmt(case: Case) -> dict[str, float]:
    """Return the scores of the rows; "plus" in words stands for a right row of every other meta-task."""
    rows = [tuple(row) for row in case.meta["rows"]]
    others = [name for name in META_TASKS if name not in {row[0] for row in rows}] if case.meta.get("plus") else []
    return mmt_scores([*rows, *((name, name, 1.0) for name in others)])


def _plain_letters(case: Case) -> str:
    return read_option(case.text, case.options or {letter: letter for letter in "ABCD"}, "vlmevalkit")


METRICS: dict[str, dict[str, Rule]] = {
    "ANLS": {
        **_same(lambda case: anls(case.text, case.golds), "vlmevalkit", "lmms_eval"),
        "pypi_anls": lambda case: anls(case.text, case.golds, is_strict=True),
    },
    "relaxed_accuracy": in_dialects(lambda case, dialect: relaxed_accuracy(case.text, case.golds[0], dialect)),
    "vqa_soft_accuracy": in_dialects(lambda case, dialect: soft_accuracy(case.text, case.golds, dialect)),
    "substring_hit": in_dialects(
        lambda case, dialect: contains_gold(
            case.text, case.golds, is_formula=case.meta["dataset"] == FORMULAS, dialect=dialect
        )
    ),
    "yes_no_parse": in_dialects(lambda case, dialect: read_yes_no(case.text, dialect) or "Unknown"),
    "score_sum": _same(
        lambda case: mme_sum((category, hits) for category, _, hits in case.meta["rows"]), "vlmevalkit", "lmms_eval"
    ),
    "option_extraction": {
        **_same(lambda case: _letter(read_option(case.text, case.options)), "vlmevalkit_exact_matching"),
        "lmms_eval_mmbench_prefetch": lambda case: _letter(prefetch_option(case.text, case.options)),
        "lmms_eval_mcq_extract": lambda case: _letter(read_marked_letter(case.text, case.options)),
    },
    "option_parse": {
        **_same(lambda case: _letter(read_choice(case.text, case.options, "lmms")), "lmms_eval"),
        "vlmevalkit_exact_matching": lambda case: _letter(_plain_letters(case)),
    },
    "circular_hit": {
        **_same(lambda case: _circular(case, read_option), "vlmevalkit_exact_matching"),
        "lmms_eval_static": lambda case: _circular(case, prefetch_option),
    },
    "multi_choice_parse": {
        **_same(lambda case: _letter(read_choice(case.text, case.options)), "official"),
        "lmms_eval": lambda case: _letter(read_choice(case.text, case.options, "lmms")),
        "vlmevalkit_exact_matching": lambda case: _letter(read_choice(case.text, case.options, "vlmevalkit")),
    },
    "open_match": _same(lambda case: match_open(case.text, case.golds), "official", "lmms_eval"),
    "vlmevalkit_open_as_mcq": {
        "vlmevalkit_exact_matching": lambda case: int(
            read_option(case.text, case.options, "vlmevalkit") == case.meta["gt"]
        )
    },
    "normalize_and_compare": {
        **_same(lambda case: mathvista.is_right(case.text, case.golds[0], _form(case)), "official", "lmms_eval"),
        "vlmevalkit_post_check": lambda case: mathvista.is_right_plainly(case.text, case.golds[0], _form(case)),
    },
    "aggregate": {
        **_same(_mmt, "vlmevalkit"),
        "lmms_eval_overall_percent": lambda case: PERCENT * _mmt(case)["Overall"],
    },
    "exact_match": {"lmms_eval": lambda case: exact.exact_or_letter(case.text, case.golds[0])},
    "lmms_exact_match": {
        "lmms_eval": lambda case: (exact.exact_filtered if "filtered" in case.meta else exact.exact_letter)(
            case.text, case.golds[0]
        ),
        "vlmevalkit_no_options": lambda case: _letter(_plain_letters(case)),
    },
    "acc_iou_0.5": {
        **_same(lambda case: _located(case, "canonical"), "canonical_999"),
        "vlmevalkit_1000_generic_parser": lambda case: _located(case, "vlmevalkit"),
    },
    "iou": {
        **_same(lambda case: _overlap(boxes.iou(tuple(case.said), tuple(case.golds[0]))), "lmms_eval"),
        "vlmevalkit": lambda case: boxes.iou(tuple(case.said), tuple(case.golds[0])),
    },
    "lmms_box_parse": {"lmms_eval": lambda case: list(boxes.bracketed(case.text))},
    "gt_conversion": {
        "canonical": lambda case: {"xyxy": list(boxes.corners(*case.golds[0]))},
        "hand": lambda case: list(boxes.corners(*case.golds[0])),
    },
    "mean_stderr": _same(lambda case: mean_stderr(case.said), "lmms_eval"),
    "clustered_stderr": _same(lambda case: clustered_stderr(case.said, case.meta["clusters"]), "lmms_eval"),
}


def run_cases(path: Path) -> CaseReport:
    """Score every case of a JSONL file by the rules of each implementation that it names. Raises VL2Error."""
    mismatches: list[Mismatch] = []
    num_failed = num_cases = 0
    for record in read_records(path):
        found = list(mismatches_of(record))
        num_cases += 1
        num_failed += bool(found)
        mismatches += found
    return CaseReport(passed=num_cases - num_failed, failed=num_failed, mismatches=tuple(mismatches))


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSONL file. Raises VL2Error on a line that is none."""
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                record = json.loads(line) if len(line) <= MAX_LINE_BYTES else None
                if not isinstance(record, dict):
                    raise VL2Error(f"{path.name}, line {number}", "not a case", expected="a JSON object")
                yield record
    except (OSError, ValueError) as error:
        raise VL2Error(str(path), "cannot be read", got=str(error)[:120], do="Give a JSONL file of cases.") from None


def mismatches_of(record: Mapping[str, Any]) -> Iterator[Mismatch]:
    """Yield where a case and our metrics differ."""
    case = Case(id=str(record.get("id", "?")), metric=str(record.get("metric", "?")), said=record.get("prediction"),
                golds=list(record.get("references") or []), meta=record.get("meta") or {})  # fmt: skip
    expected: dict[str, Any] = dict(record.get("expected_by") or {})
    profile = str(record.get("profile", "canonical"))
    if "expected" in record:
        expected.setdefault(profile, record["expected"])
    rules = METRICS.get(case.metric, {})
    for implementation, wanted in expected.items():
        rule = rules.get(implementation) or rules.get(ALIASES.get(implementation, ""))
        got = _scored(rule, case) if rule else "no rule of this name"
        if not agrees(got, wanted):
            yield Mismatch(id=case.id, metric=case.metric, implementation=implementation, expected=wanted, got=got)


def _scored(rule: Rule, case: Case) -> Any:
    try:
        return rule(case)
    except (LookupError, TypeError, ValueError) as error:  # a case that lacks what its metric needs
        return f"{type(error).__name__}: {error}"


def agrees(got: Any, wanted: Any) -> bool:
    """Compare scores; numbers to the places that are given, of a mapping what is expected of it."""
    if isinstance(wanted, Mapping):
        return isinstance(got, Mapping) and all(name in got and agrees(got[name], wanted[name]) for name in wanted)
    if isinstance(wanted, list):
        return isinstance(got, list) and len(got) == len(wanted) and all(map(agrees, got, wanted))
    if isinstance(wanted, float) and isinstance(got, int | float):
        places = len(str(wanted).partition(".")[2])
        return abs(got - wanted) <= 0.5 * 10**-places + 1e-9
    return got == wanted
