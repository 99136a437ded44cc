"""The steps that draw, each with its settings: a part of the table of steps."""

from __future__ import annotations

from vl2.corpus.step_kind import StepKind

DRAWING_KINDS: tuple[StepKind, ...] = ()
