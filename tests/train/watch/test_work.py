"""FLOPs of steps are the planner's; what stands still takes no gradient; a peak is claimed for known GPUs alone."""

from __future__ import annotations

import pytest
import torch

from tests.train.watch.steps import figures, lines_of
from vl2.core.batch import Batch, ModelInput
from vl2.model.presets import PRESETS
from vl2.train.paper import paper_row
from vl2.train.planning.flops import flops_by_part, packed_traffic, total_work
from vl2.train.planning.units import Traffic, units_of
from vl2.train.watch import Meter, Watcher, attended_keys, peak_flops, peak_memory
from vl2.train.watch.work import known_peak

TINY = PRESETS["tiny"]


def step_of(traffic: Traffic):
    return figures(
        1, tokens=traffic.tokens, tiles=traffic.tiles, keys=traffic.keys, supervised_tokens=traffic.learned, seconds=2.0
    )


@pytest.mark.parametrize(
    "stage, moving", [("pretrain", ("vision", "adaptor", "language")), ("align", ("vision", "adaptor"))]
)
def test_a_step_has_the_flops_that_the_planner_counts(stage, moving):
    traffic = packed_traffic(TINY, tokens=4096, visual_share=0.35, learned_share=0.65)
    found = Meter(config=TINY, weights=moving).flops(step_of(traffic))
    assert found == pytest.approx(sum(flops_by_part(TINY, traffic, paper_row("tiny", stage)).values()), rel=1e-9)


def test_the_vision_tower_of_tiny_is_half_of_its_work():
    traffic = packed_traffic(TINY, tokens=4096, visual_share=0.35)
    blind = Traffic(tokens=traffic.tokens, tiles=0, keys=traffic.keys, learned=traffic.learned)
    meter = Meter(config=TINY)
    assert 0.4 < 1 - meter.flops(step_of(blind)) / meter.flops(step_of(traffic)) < 0.55


def test_what_stands_still_takes_no_gradient_of_its_weights_and_none_passes_before_the_first_that_moves():
    traffic = packed_traffic(TINY, tokens=4096, visual_share=0.35)
    work = {
        half: total_work([unit for unit in units_of(TINY) if unit.is_vision == half], traffic, paper_row("tiny", "sft"))
        for half in (True, False)
    }
    both = Meter(config=TINY, weights=(), adapters=("vision", "language")).flops(step_of(traffic))
    assert both == pytest.approx(sum(one.forward + one.input_gradient for one in work.values()))
    language = Meter(config=TINY, weights=("language",)).flops(step_of(traffic))
    assert language == pytest.approx(work[True].forward + work[False].total)


def test_mfu_is_told_where_the_peak_is_known_and_flops_elsewhere(tmp_path):
    traffic = packed_traffic(TINY, tokens=4096, visual_share=0.35)
    for name, peak in (("known", 1e15), ("unknown", None)):
        with Watcher(tmp_path / name, num_steps=1, meter=Meter(config=TINY, peak_flops=peak), is_shown=False) as watch:
            watch(step_of(traffic))
    (known,), (unknown,) = lines_of(tmp_path / "known"), lines_of(tmp_path / "unknown")
    assert known["flops_per_second"] == unknown["flops_per_second"] > 0
    assert known["mfu"] == pytest.approx(known["flops_per_second"] / 1e15, rel=1e-4) and "mfu" not in unknown


def test_only_a_known_gpu_has_a_peak():
    assert known_peak("NVIDIA H100 80GB HBM3", 8) == 8 * 989e12
    assert known_peak("NVIDIA A100-SXM4-80GB") == 312e12
    assert known_peak("NVIDIA H100 PCIe") is None and known_peak("NVIDIA H200 NVL") is None
    assert peak_flops("cpu", "bfloat16") is None


def test_keys_are_counted_within_documents_and_without_padding():
    def item(length):
        ids = torch.zeros(length, dtype=torch.int64)
        return ModelInput(input_ids=ids, labels=ids, image_mask=ids > 0, tiles=torch.zeros(0, 3, 4, 4), grids=())

    packed = Batch.from_inputs([[item(3), item(2)], [item(1)]], pad_id=0)
    assert attended_keys(packed) == pytest.approx((1 + 2 + 3 + 1 + 2 + 1) / 6)
    assert peak_memory() > 10 << 20
