"""The paper's 7, 10 and 14 days follow from its tokens, its GPUs and the MFU they imply."""

from __future__ import annotations

import pytest

from vl2.train.planning.days import PAPER_RUNS, days_needed

CASES = [(variant, share) for variant, run in PAPER_RUNS.items() for share in run.mfu]


@pytest.mark.parametrize(("variant", "share"), CASES)
def test_days_of_the_paper(variant, share):
    run = PAPER_RUNS[variant]
    found = days_needed(variant, num_gpus=run.num_gpus, mfu=run.mfu[share], visual_share=share)
    assert found == pytest.approx(run.days, rel=0.01)


def test_the_runs_of_the_paper():
    assert {variant: (run.num_gpus, run.days) for variant, run in PAPER_RUNS.items()} == {
        "tiny": (128, 7), "small": (264, 10), "base": (336, 14)
    }  # fmt: skip


def test_a_faster_machine_needs_fewer_days():
    a100, h100 = (
        days_needed("base", num_gpus=336, mfu=0.2, visual_share=0.35, machine=name) for name in ("a100", "h100")
    )
    assert a100 / h100 == pytest.approx(989 / 312)
