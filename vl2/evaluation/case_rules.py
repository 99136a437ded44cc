"""Case: one line of a file of metric cases; METRICS: by metric and implementation, what scores it here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from vl2.evaluation.metrics import boxes, exact, mathvista
from vl2.evaluation.metrics.anls import anls
from vl2.evaluation.metrics.circular import circular_hit
from vl2.evaluation.metrics.marked_letter import read_marked_letter
from vl2.evaluation.metrics.mmmu import match_open, read_choice
from vl2.evaluation.metrics.options import prefetch_option, read_option, static_option
from vl2.evaluation.metrics.relaxed_accuracy import relaxed_accuracy
from vl2.evaluation.metrics.soft_accuracy import soft_accuracy
from vl2.evaluation.metrics.stated_letter import stated_letter
from vl2.evaluation.metrics.substring import contains_gold
from vl2.evaluation.metrics.totals import META_TASKS, PERCENT, mme_sum, mmt_scores
from vl2.evaluation.metrics.yes_no import read_yes_no
from vl2.evaluation.standard_error import clustered_stderr, mean_stderr
from vl2.evaluation.verdict import Dialect

FORMULAS = "HME100k"
UNKNOWN = "Unknown"  # what harnesses call an answer that is neither yes nor no


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
    def texts(self) -> list[str]:
        """Return the golds as texts."""
        return [str(gold) for gold in self.golds]

    @property
    def options(self) -> dict[str, str]:
        """Return letters and texts of the options, however the case lists them."""
        given = self.meta.get("choices") or self.meta.get("options") or {}
        listed = given.items() if isinstance(given, Mapping) else zip(ascii_uppercase, given, strict=False)
        return {letter: str(text) for letter, text in listed}


Rule = Callable[[Case], Any]
DIALECTS: dict[str, Dialect] = {"canonical": "canonical", "vlmevalkit": "vlmevalkit", "lmms_eval": "lmms",
                                "official": "official"}  # fmt: skip


def _in_dialects(rule: Callable[[Case, Dialect], Any]) -> dict[str, Rule]:
    """Return the rule of every implementation for a metric that knows dialects."""
    return {name: (lambda case, dialect=dialect: rule(case, dialect)) for name, dialect in DIALECTS.items()}


def _same(rule: Rule, *names: str) -> dict[str, Rule]:
    return dict.fromkeys(("canonical", *names), rule)


def _letter(found: str) -> str | None:
    return found or None


def _mathvista(case: Case, dialect: Dialect) -> bool:
    meta = case.meta
    form = mathvista.Form(question_type=meta["question_type"], answer_type=meta["answer_type"],
                          precision=meta["precision"], choices=tuple(map(str, meta["choices"] or ())))  # fmt: skip
    # an extraction that failed is the text "None" there, and so the choice nearest to it
    return mathvista.is_right(str(case.said), case.texts[0], form, dialect)


def _located(case: Case, dialect: boxes.BoxDialect) -> dict[str, float]:
    box = boxes.first_box(case.text, case.meta["width"], case.meta["height"], dialect)
    return _overlap(boxes.iou(box, case.golds[0]) if box else 0.0)


def _overlap(value: float) -> dict[str, float]:
    return {"iou": value, "hit": int(value >= boxes.HIT_IOU)}


def _circular(case: Case, read: Callable[[str, Mapping[str, str]], str]) -> int:
    return circular_hit([read(str(said), options) for said, options in
                         zip(case.said, case.meta["choices"], strict=True)], case.golds)  # fmt: skip


def _mmt(case: Case) -> dict[str, float]:
    """Return the scores of the rows; "plus" in words stands for a right row of every other meta-task."""
    rows = [tuple(row) for row in case.meta["rows"]]
    others = [name for name in META_TASKS if name not in {row[0] for row in rows}] if case.meta.get("plus") else []
    return mmt_scores([*rows, *((name, name, 1.0) for name in others)])


def _mme(case: Case) -> float:
    return mme_sum((category, image, hit) for category, image, hits in case.meta["rows"] for hit in hits)


def _plain_letters(case: Case) -> str | None:
    return _letter(read_option(case.text, case.options or {letter: letter for letter in "ABCD"}, "vlmevalkit"))


METRICS: dict[str, dict[str, Rule]] = {
    "ANLS": {**_in_dialects(lambda case, dialect: anls(case.text, case.texts, dialect)),
             "pypi_anls": lambda case: anls(case.text, case.texts, "official")},
    "relaxed_accuracy": _in_dialects(
        lambda case, dialect: max(relaxed_accuracy(case.text, gold, dialect) for gold in case.texts)
    ),
    "vqa_soft_accuracy": _in_dialects(lambda case, dialect: soft_accuracy(case.text, case.texts, dialect)),
    "substring_hit": _in_dialects(
        lambda case, dialect: contains_gold(
            case.text, case.texts, is_formula=case.meta["dataset"] == FORMULAS, dialect=dialect
        )
    ),
    "yes_no_parse": _in_dialects(lambda case, dialect: read_yes_no(case.text, dialect) or UNKNOWN),
    "score_sum": _same(_mme, "vlmevalkit", "lmms_eval"),
    "option_extraction": {
        **_same(lambda case: _letter(read_option(case.text, case.options)), "vlmevalkit_exact_matching"),
        "lmms_eval_mmbench_prefetch": lambda case: _letter(prefetch_option(case.text, case.options)),
        "lmms_eval_mcq_extract": lambda case: _letter(read_marked_letter(case.text, case.options)),
    },
    "option_parse": {
        **_same(lambda case: _letter(stated_letter(case.text, case.options)), "lmms_eval"),
        "vlmevalkit_exact_matching": _plain_letters,
    },
    "circular_hit": {
        **_same(lambda case: _circular(case, read_option), "vlmevalkit_exact_matching"),
        "lmms_eval_static": lambda case: _circular(case, static_option),
    },
    "multi_choice_parse": {
        **_in_dialects(lambda case, dialect: _letter(read_choice(case.text, case.options, dialect))),
        "vlmevalkit_exact_matching": lambda case: _letter(read_choice(case.text, case.options, "vlmevalkit")),
    },
    "open_match": _in_dialects(lambda case, dialect: match_open(case.text, case.texts, dialect)),
    "vlmevalkit_open_as_mcq": {
        "vlmevalkit_exact_matching": lambda case: int(
            read_option(case.text, case.options, "vlmevalkit") == case.meta["gt"]
        )
    },
    "normalize_and_compare": {
        **_in_dialects(_mathvista),
        "vlmevalkit_post_check": lambda case: _mathvista(case, "vlmevalkit"),
    },
    "aggregate": {
        **_same(_mmt, "vlmevalkit"),
        "lmms_eval_overall_percent": lambda case: PERCENT * _mmt(case)["Overall"],
    },
    "exact_match": {"lmms_eval": lambda case: exact.exact_or_letter(case.text, case.texts[0])},
    "lmms_exact_match": {
        "lmms_eval": lambda case: (exact.exact_filtered if "filtered" in case.meta else exact.exact_letter)(
            case.text, case.texts[0]
        ),
        "vlmevalkit_no_options": _plain_letters,
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
}  # fmt: skip
