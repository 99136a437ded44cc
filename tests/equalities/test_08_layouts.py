"""Equality 8: every parallel layout = one process, in loss, gradients and expert load. Four gloo processes.

Here are layouts that have everything between them; with VL2_LAYOUTS=1 all layouts run, on both kinds of attention.
"""

from __future__ import annotations

import pytest

from tests.parallel.layouts import PLANS, SHOWS, differences

TOLERANCE = 1e-6  # float32: losses of about 5, gradients summed over eight microbatches in another order
RELATIVE = 5e-6  # of the largest gradient of a parameter, so that small gradients are looked at too
LAYOUTS = {
    "mla": ["hsdp2x2", "tp2 ep4", "pp4 zbv", "pp2 fsdp2 ep2 1f1b"],
    "mha": ["ep2", "pp2 fsdp2 ep2 zero_bubble"],
}
if SHOWS:
    LAYOUTS = dict.fromkeys(LAYOUTS, list(PLANS))


@pytest.mark.parametrize("attention", LAYOUTS)
def test_every_layout_is_one_process(attention, tmp_path):
    found = differences(tmp_path, attention, LAYOUTS[attention])
    assert list(found) == LAYOUTS[attention]
    wrong = {
        name: steps
        for name, steps in found.items()
        if any(max(step.loss, step.gradient) > TOLERANCE or step.relative > RELATIVE for step in steps)
    }
    assert not wrong
