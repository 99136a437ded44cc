"""Step kind: a step that recipes can name, before its settings are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vl2.corpus.gathering import Gathering
from vl2.corpus.rewriting import rewriting
from vl2.corpus.step import Measure, Step, computing
from vl2.corpus.teacher.teaching import rewriting_by, scoring_by


@dataclass(frozen=True, kw_only=True)
class StepKind:
    """A step before its settings are known: it runs block by block, or it gathers something of all blocks."""

    name: str
    version: int
    settings: type
    fields: tuple[str, ...] = ()  # of the quality that it computes
    build: Callable[[Any], Step] | None = None
    gathering: Gathering | None = None


@dataclass(frozen=True, kw_only=True)
class NoSettings:
    """A step without settings."""


def measuring_kind(name: str, version: int, fields: tuple[str, ...], measure: Measure) -> StepKind:
    """Return the kind of a step that measures rows, without settings."""
    return StepKind(
        name=name, version=version, settings=NoSettings, fields=fields,
        build=lambda settings: computing(name, version, measure),
    )  # fmt: skip


def rewriting_kind(name: str, version: int, settings: type) -> StepKind:
    """Return the kind of a step that changes row by row; its settings say how."""
    return StepKind(
        name=name, version=version, settings=settings, build=lambda built: rewriting(name, version, built.change)
    )


def taught_kind(name: str, version: int, settings: type) -> StepKind:
    """Return the kind of a step that changes rows by a teacher."""
    return StepKind(
        name=name, version=version, settings=settings, build=lambda built: rewriting_by(name, version, built)
    )


def graded_kind(name: str, version: int, fields: tuple[str, ...], settings: type) -> StepKind:
    """Return the kind of a step that measures rows by a teacher."""
    return StepKind(
        name=name, version=version, settings=settings, fields=fields,
        build=lambda built: scoring_by(name, version, built),
    )  # fmt: skip
