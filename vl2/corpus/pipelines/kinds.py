"""The steps of the pipelines, each with its settings: a part of the table of steps."""

from __future__ import annotations

from vl2.corpus.filters.grounding_recall import grounding_recall
from vl2.corpus.gathering import Gathering
from vl2.corpus.grounding.describe import DescribeGrounded
from vl2.corpus.grounding.gui import LocateElements
from vl2.corpus.grounding.in_context import InContext
from vl2.corpus.grounding.locate import Locate
from vl2.corpus.grounding.marked import Marked
from vl2.corpus.pipelines.align import Align
from vl2.corpus.pipelines.clean_ocr import CleanOCR
from vl2.corpus.pipelines.find_claims import FindClaims
from vl2.corpus.pipelines.interleave import Interleave, Share
from vl2.corpus.pipelines.make_questions import MakeQuestions
from vl2.corpus.pipelines.mixture import Mixture, refuse_tokens, take_tokens
from vl2.corpus.pipelines.plot_code import PlotCode
from vl2.corpus.pipelines.read_text import ReadText, reading_by
from vl2.corpus.pipelines.recaption import Recaption
from vl2.corpus.pipelines.regenerate import Regenerate
from vl2.corpus.pipelines.tables import DocumentQuestions, TableCode
from vl2.corpus.pipelines.text_only import TextOnly
from vl2.corpus.pipelines.tokens import FIELDS, Tokens
from vl2.corpus.pipelines.transcribe import Transcribe, reading
from vl2.corpus.pipelines.web_code import WebCode
from vl2.corpus.pipelines.worsen import Worsen
from vl2.corpus.pipelines.writing import Writing
from vl2.corpus.rewriting import rewriting_together
from vl2.corpus.step import computing, deciding
from vl2.corpus.step_kind import StepKind, graded_kind, measuring_kind, rewriting_kind, taught_kind

PIPELINE_KINDS = (
    rewriting_kind("locate", 1, Locate),
    rewriting_kind("describe_grounded", 1, DescribeGrounded),
    rewriting_kind("marked", 1, Marked),
    rewriting_kind("gui", 1, LocateElements),
    StepKind(
        name="in_context", version=2, settings=InContext,
        build=lambda settings: rewriting_together("in_context", 2, settings.change_all),
    ),
    rewriting_kind("align", 1, Align),
    rewriting_kind("interleave", 1, Interleave),
    StepKind(
        name="share", version=1, settings=Share, build=lambda settings: deciding("share", 1, settings.find_reason)
    ),
    rewriting_kind("transcribe", 1, Transcribe),
    measuring_kind("reading", 2, ("error",), reading),
    StepKind(
        name="read_text", version=1, settings=ReadText, build=lambda settings: reading_by("read_text", 1, settings)
    ),
    rewriting_kind("table_code", 1, TableCode),
    rewriting_kind("document_questions", 1, DocumentQuestions),
    rewriting_kind("plot_code", 1, PlotCode),
    rewriting_kind("web_code", 1, WebCode),
    rewriting_kind("text_only", 1, TextOnly),
    rewriting_kind("worsen", 2, Worsen),
    StepKind(
        name="tokens", version=1, settings=Tokens, fields=FIELDS,
        build=lambda settings: computing("tokens", 1, settings.measure),
    ),
    StepKind(name="mixture", version=1, settings=Mixture, gathering=Gathering(take=take_tokens, refuse=refuse_tokens)),
    measuring_kind("grounding_recall", 1, ("claims", "recall"), grounding_recall),
    taught_kind("recaption", 1, Recaption),
    taught_kind("regenerate", 2, Regenerate),
    taught_kind("clean_ocr", 2, CleanOCR),
    taught_kind("make_questions", 2, MakeQuestions),
    graded_kind("writing", 1, ("score",), Writing),
    graded_kind("find_claims", 1, ("claims", "recall"), FindClaims),
)  # fmt: skip
