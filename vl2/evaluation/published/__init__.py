"""Published scores: the paper's comparison tables, the authors' own rerun, and models that other papers compare.

Every row has its source. For the models that the paper holds only its own tables count.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "scores.csv"
OURS = "ours"  # the group of the models whose weights this project loads
PERCENT = 100.0
# Questions behind a published score, where it is a share of them: enough for its standard error.
NUM_QUESTIONS = {
    "DocVQA": 5188, "ChartQA": 2500, "InfoVQA": 3288, "TextVQA": 5000, "OCRBench": 1000, "RealWorldQA": 765,
    "AI2D": 3088, "MMMU": 900, "MMStar": 1500, "MathVista": 1000, "MMT-Bench": 3127, "RefCOCO_val": 10834,
    "RefCOCO_testA": 5657, "RefCOCO_testB": 5095, "RefCOCO+_val": 10758, "RefCOCO+_testA": 5726, "RefCOCO+_testB": 4889,
    "RefCOCOg_val": 4896, "RefCOCOg_test": 9602,
}  # fmt: skip
SCALES = {"OCRBench": 1000.0, "MME": 2800.0}  # the most; others are out of a hundred
SPLITS = {
    "DocVQA": "test",
    "ChartQA": "test",
    "InfoVQA": "test",
    "TextVQA": "validation",
    "AI2D": "test",
    "MMMU": "validation",
    "MMBench_EN": "test",
    "MMBench_CN": "test",
    "MathVista": "testmini",
}  # that the published scores are of, where the paper says so


@dataclass(frozen=True, kw_only=True)
class Published:
    """One score that somebody published."""

    benchmark: str
    model: str
    group: str
    activated: float | None  # billions of parameters a token; None where nobody says
    score: float
    note: str
    source: str

    @property
    def standard_error(self) -> float | None:
        """Return the binomial standard error, None where the score is no share of questions."""
        number = NUM_QUESTIONS.get(self.benchmark)
        if number is None:
            return None
        most = SCALES.get(self.benchmark, PERCENT)
        share = self.score / most
        return most * (share * (1 - share) / number) ** 0.5


def published_rows(benchmark: str) -> tuple[Published, ...]:
    """Return the published scores of a benchmark, smallest models first; closed ones, of unknown size, last."""
    rows = [row for row in _all() if row.benchmark == benchmark]
    return tuple(sorted(rows, key=lambda row: (row.activated is None, row.activated or 0.0, row.model)))


@cache
def _all() -> tuple[Published, ...]:
    with FILE.open(encoding="utf-8", newline="") as stream:
        return tuple(
            Published(
                benchmark=row["benchmark"], model=row["model"], group=row["group"], score=float(row["score"]),
                activated=float(row["activated_b"]) if row["activated_b"] else None, note=row["note"],
                source=row["source"],
            )
            for row in csv.DictReader(stream)
        )  # fmt: skip
