"""Our outputs against recorded outputs of the official code."""

from vl2.evaluation.parity.report import ParityReport
from vl2.evaluation.parity.run import run_parity

__all__ = ["ParityReport", "run_parity"]
