"""Prompt cases: rows and the conversation that a harness makes of them, run against our prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from vl2.core.sample import BoxesPart, ImagePart, ImageSource, Message, TextPart
from vl2.evaluation.cases import CaseReport, Mismatch, read_records
from vl2.evaluation.prompts import Ask, lettered, vlmevalkit_mmmu
from vl2.evaluation.row import Row
from vl2.evaluation.task import Profile
from vl2.evaluation.tasks import TASKS
from vl2.processor.grounding import render
from vl2.processor.marks import IMAGE

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
    """Yield where a case and our prompt differ."""
    wanted = next(turn for turn in record["deepseek_vl2_conversation"] if turn["role"] == USER)
    profile: Profile = record.get("profile", "vlmevalkit")
    got, num_images = _ask(record, profile)
    expected = str(wanted["content"]).strip()
    if got != expected:
        yield Mismatch(id=name, metric="prompt", implementation=profile, expected=expected, got=got)
    if num_images != len(wanted.get("images", ())):
        yield Mismatch(id=name, metric="images", implementation=profile, expected=len(wanted["images"]), got=num_images)


def rendered(message: Message) -> str:
    """Return a turn as the official classes take it: <image> for each image."""
    pieces: list[str] = []
    for part in message.parts:
        match part:
            case TextPart(text):
                pieces.append(text)
            case ImagePart():
                pieces.append(IMAGE)
            case BoxesPart(label, boxes):
                pieces.append(render(label, boxes))
    return "".join(pieces)


def _ask(record: Mapping[str, Any], profile: Profile) -> tuple[str, int]:
    table = str(record["vlmevalkit_dataset"])
    names = [name for name in TABLES if table.startswith(name)]
    if not names:
        return f"no task for {table}", 0
    rules = TASKS[TABLES[max(names, key=len)]].profiles
    if profile not in rules:
        return f"no prompts of {profile}", 0
    sample = _unread(rules[profile].ask)(_row(record["line"], list(record["images"])))
    return rendered(sample.messages[0]).strip(), len(sample.images)


def _row(line: Mapping[str, Any], images: list[str]) -> Row:
    """Return the row of a table's line; its images are names without files."""
    return Row(
        id="case", images=tuple(ImageSource(path=name) for name in images), question=str(line["question"]),
        options=lettered({letter: line.get(letter) for letter in ascii_uppercase}),
        fields={"hint": line["hint"]} if line.get("hint") else {},
    )  # fmt: skip


def _unread(ask: Ask) -> Ask:
    """Return a way to ask that opens no image: there is none behind the names of a case."""
    return (lambda row: vlmevalkit_mmmu(row, enlarged=1.0)) if ask is vlmevalkit_mmmu else ask
