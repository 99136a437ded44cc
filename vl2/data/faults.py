"""Faults: rows and samples that cannot be used, counted by reason instead of ending a run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vl2.core.errors import VL2Error

MOST_REASONS = 64  # what a count of reasons grows to at most, whatever the rows hold
OTHER_REASONS = "other reasons"
_LONGEST_REASON = 80
_DETAIL = re.compile(r"\s*[(:'\"].*|\.$", re.DOTALL)  # what differs from row to row


@dataclass(frozen=True)
class Fault:
    """Why a row cannot be used: a kind of reason, without what only this row has."""

    reason: str


class RowError(VL2Error):
    """A row that cannot be used."""

    def __init__(self, problem: str, *, got: object = None, expected: object = None) -> None:
        super().__init__("row", problem, got=got, expected=expected)


def fault_of(error: VL2Error) -> Fault:
    """Return the fault that an error is, its problem alone."""
    problem = str(error).removeprefix(f"{error.thing}: ")
    return Fault(_DETAIL.sub("", problem)[:_LONGEST_REASON])


def add_fault(counts: Mapping[str, int], fault: Fault) -> dict[str, int]:
    """Return the counts by reason with one more fault."""
    reason = fault.reason if fault.reason in counts or len(counts) < MOST_REASONS else OTHER_REASONS
    return {**counts, reason: counts.get(reason, 0) + 1}
