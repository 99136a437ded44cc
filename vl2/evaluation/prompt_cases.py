"""Prompt cases: rows and the conversation that a harness makes of them, run against our prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource
from vl2.evaluation.answerers.answerer import text_of
from vl2.evaluation.cases import CaseReport, Mismatch, read_records
from vl2.evaluation.loaders.literal import is_missing
from vl2.evaluation.prompts import Ask, lettered, vlmevalkit_mmmu
from vl2.evaluation.row import Row
from vl2.evaluation.task import Profile
from vl2.evaluation.tasks import TASKS

USER = "<|User|>"
# How a table's name begins, and whose prompts its rows get; the longest beginning counts.
TABLES = {
    "DocVQA": "docvqa", "InfoVQA": "infovqa", "ChartQA": "chartqa", "TextVQA": "textvqa", "OCRBench": "ocrbench",
    "MathVista": "mathvista", "MMBench": "mmbench_en", "MME": "mme", "MMMU": "mmmu", "MMStar": "mmstar",
    "AI2D": "ai2d", "RealWorldQA": "realworldqa", "MMT-Bench": "mmt_bench", "RefCOCO": "refcoco",
}  # fmt: skip


def run_prompt_cases(path: Path) -> CaseReport:
    """Compare our conversation with that of every case of a JSONL file, outer white space aside. Raises VL2Error."""
    mismatches: list[Mismatch] = []
    num_cases = 0
    for number, record in enumerate(read_records(path), start=1):
        num_cases += 1
        mismatches += mismatches_of(record, f"{record.get('benchmark', '?')}:{number}")
    failed = len({mismatch.id for mismatch in mismatches})
    return CaseReport(passed=num_cases - failed, failed=failed, mismatches=tuple(mismatches))


def mismatches_of(record: Mapping[str, Any], name: str) -> Iterator[Mismatch]:
    """Yield where a case and our prompt differ; what is no case differs too."""
    profile: Profile = record.get("profile", "vlmevalkit")
    try:
        wanted = next(turn for turn in record["deepseek_vl2_conversation"] if turn["role"] == USER)
        expected, wanted_images = str(wanted["content"]).strip(), len(wanted.get("images") or ())
        got, num_images = _ask(record, profile)
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration, VL2Error) as error:
        yield Mismatch(id=name, metric="prompt", implementation=str(profile), expected="a case that can be asked",
                       got=f"{type(error).__name__}: {error}"[:160])  # fmt: skip
        return
    if got != expected:
        yield Mismatch(id=name, metric="prompt", implementation=profile, expected=expected, got=got)
    if num_images != wanted_images:
        yield Mismatch(id=name, metric="images", implementation=profile, expected=wanted_images, got=num_images)


def _ask(record: Mapping[str, Any], profile: Profile) -> tuple[str, int]:
    table = str(record["vlmevalkit_dataset"])
    names = [name for name in TABLES if table.startswith(name)]
    if not names:
        return f"no task for {table}", 0
    rules = TASKS[TABLES[max(names, key=len)]].profiles
    if profile not in rules:
        return f"no prompts of {profile}", 0
    sample = _unread(rules[profile].ask)(_row(record["line"], list(record["images"])))
    return text_of(sample.messages[0]).strip(), len(sample.images)


def _row(line: Mapping[str, Any], images: list[str]) -> Row:
    """Return the row of a table's line; its images are names without files."""
    return Row(
        id="case", images=tuple(ImageSource(path=name) for name in images), question=str(line["question"]),
        options=lettered({letter: line.get(letter) for letter in ascii_uppercase}),
        fields={} if is_missing(line.get("hint")) else {"hint": line["hint"]},
    )  # fmt: skip


def _unread(ask: Ask) -> Ask:
    """Return a way to ask that opens no image: there is none behind the names of a case."""
    return (lambda row: vlmevalkit_mmmu(row, enlarged=1.0)) if ask is vlmevalkit_mmmu else ask
