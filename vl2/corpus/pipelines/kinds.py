"""The steps of the pipelines, each with its settings: a part of the table of steps."""

from __future__ import annotations

from vl2.corpus.filters.grounding_recall import grounding_recall
from vl2.corpus.grounding.describe import DescribeGrounded
from vl2.corpus.grounding.gui import LocateElements
from vl2.corpus.grounding.in_context import InContext
from vl2.corpus.grounding.locate import Locate
from vl2.corpus.grounding.marked import Marked
from vl2.corpus.pipelines.clean_ocr import CleanOCR
from vl2.corpus.pipelines.find_claims import FindClaims
from vl2.corpus.pipelines.make_questions import MakeQuestions
from vl2.corpus.pipelines.recaption import Recaption
from vl2.corpus.pipelines.regenerate import Regenerate
from vl2.corpus.pipelines.writing import Writing
from vl2.corpus.rewriting import rewriting_together
from vl2.corpus.step_kind import StepKind, graded_kind, measuring_kind, rewriting_kind, taught_kind

PIPELINE_KINDS = (
    rewriting_kind("locate", 1, Locate),
    rewriting_kind("describe_grounded", 1, DescribeGrounded),
    rewriting_kind("marked", 1, Marked),
    rewriting_kind("gui", 1, LocateElements),
    StepKind(
        name="in_context", version=1, settings=InContext,
        build=lambda settings: rewriting_together("in_context", 1, settings.change_all),
    ),
    measuring_kind("grounding_recall", 1, ("claims", "recall"), grounding_recall),
    taught_kind("recaption", 1, Recaption),
    taught_kind("regenerate", 1, Regenerate),
    taught_kind("clean_ocr", 1, CleanOCR),
    taught_kind("make_questions", 1, MakeQuestions),
    graded_kind("writing", 1, ("score",), Writing),
    graded_kind("find_claims", 1, ("claims", "recall"), FindClaims),
)  # fmt: skip
