"""Layouts: read, refused with what would be valid, searched for, and their step as an SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from vl2.core.errors import ConfigError, MemoryPreflightError
from vl2.model import PRESETS
from vl2.train.paper import paper_row
from vl2.train.planning.estimate import estimate
from vl2.train.planning.hardware import MACHINES, machine
from vl2.train.planning.jobs import job_of
from vl2.train.planning.layout import Layout, check_layout, parse_layout
from vl2.train.planning.search import check_fit, search
from vl2.train.planning.timeline import draw_timeline


def job(variant: str = "tiny", stage: str = "sft", gpu: str = "h100"):
    return job_of(paper_row(variant, stage), gpu, visual_share=0.35)


@pytest.mark.parametrize(
    "layout",
    [
        Layout(), Layout(dp_shard=8), Layout(dp_replicate=2, dp_shard=4, tp=2, ep=8),
        Layout(dp_shard=2, pp=4, schedule="interleaved", chunks=2, microbatch=2),
        Layout(pp=2, schedule="zbv", chunks=2), Layout(recompute=True),
    ],
)  # fmt: skip
def test_a_layout_is_read_as_it_is_written(layout):
    assert parse_layout(str(layout)) == layout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dp=2", "expected dp_replicate, dp_shard, tp"), ("dp_shard", "not name=value"), ("pp=two", "not a number"),
        ("schedule=zb", "schedule: unknown"), ("pp=-2", "not a number"),
    ],
)  # fmt: skip
def test_what_is_no_layout(text, words):
    with pytest.raises(ConfigError, match=words):
        parse_layout(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tp=4", "tp: must divide heads 10, .* .got 4, expected 1, 2"),
        ("dp_shard=4,ep=8", "ep: must divide the 64 experts and dp_shard . tp = 4 .got 8, expected 1, 2, 4"),
        ("dp_shard=3", "does not divide the batch of 64 .got 3, expected 1, 2, 4"),
        ("pp=64", "more stages than units .got 64, expected at most 42"),
        ("pp=2,chunks=2", "chunks: does not fit schedule 1f1b .got 2, expected 1"),
        ("pp=2,schedule=interleaved,chunks=1", "chunks: does not fit schedule interleaved"),
        ("pp=2,schedule=zbv,chunks=3", "chunks: does not fit schedule zbv .got 3, expected 2"),
        ("chunks=2", "chunks: needs a pipeline"),
        ("pp=6,dp_shard=4,schedule=interleaved,chunks=2,microbatch=1", None),
        ("pp=3,dp_shard=4,schedule=interleaved,chunks=2", "num_microbatches: must be a multiple"),
        ("dp_shard=0", "does not divide the batch"),
        ("pp=0", "pp: must be positive"),
    ],
)
def test_an_impossible_layout_is_refused_with_the_valid_choices(text, words):
    config, row = PRESETS["tiny"], paper_row("tiny", "sft")
    if words is None:
        check_layout(parse_layout(text), config, row)
        return
    with pytest.raises(ConfigError, match=words):
        check_layout(parse_layout(text), config, row)


def test_the_search_gives_what_fits_fastest_first():
    found = search(job(), 8)
    assert [one.step_seconds for one in found] == sorted(one.step_seconds for one in found)
    for one in found:
        assert one.fits
        assert one.layout.world_size == 8
    assert len({one.layout for one in found}) == len(found)
    again = estimate(job(), found[0].layout)
    assert again == found[0]
    worst_possible = estimate(job(), Layout(dp_shard=1, pp=8, schedule="gpipe"))
    assert found[0].step_seconds < worst_possible.step_seconds


def test_more_gpus_and_thousands_of_them():
    fastest = search(job("base", "pretrain"), 1680)[0]
    few, many = (
        estimate(job("base", "pretrain"), parse_layout(f"dp_replicate={replicas},dp_shard=4,tp=2,ep=8"))
        for replicas in (21, 210)
    )
    assert 9.5 < few.days / many.days < 10.5  # a batch of 3360 has work for all of them
    assert fastest.days <= estimate(job("base", "pretrain"), parse_layout("dp_shard=4,tp=2,dp_replicate=210")).days


def test_what_fits_nowhere_is_refused_with_the_nearest_choices():
    with pytest.raises(MemoryPreflightError, match="base pretrain: does not fit 1 x H100 SXM") as refusal:
        search(job("base", "pretrain"), 1)
    line = str(refusal.value)
    assert "parameters" in line
    assert "What fits: 8 x H100 SXM (" in line


def test_a_layout_that_does_not_fit_names_one_that_does():
    found = estimate(job("base"), Layout(dp_replicate=8))
    assert not found.fits
    with pytest.raises(MemoryPreflightError, match="dp_shard=1,dp_replicate=8|dp_replicate=8,dp_shard=1") as refusal:
        check_fit(found.job, found)
    assert "What fits: 8 x H100 SXM (dp_" in str(refusal.value)


def test_a_number_of_gpus_that_divides_no_batch():
    with pytest.raises(ConfigError, match="no layout divides a batch of 64 .got 61, expected 52, 56, 60, 64"):
        search(job(), 61)


def test_unknown_machines_and_stages():
    with pytest.raises(ConfigError, match="gpu: not known"):
        machine("h1000")
    with pytest.raises(ConfigError, match="not in Table 2"):
        job(stage="warmup")


def test_numbers_hang_together():
    plain = estimate(job(), Layout(dp_shard=8))
    assert plain.mfu <= MACHINES["h100"].attained
    assert plain.tokens_per_gpu * 8 * plain.days * 86400 == pytest.approx(plain.job.row.num_tokens)
    again = estimate(job(), Layout(dp_shard=8, recompute=True))
    assert again.simulation.seconds / plain.simulation.seconds == pytest.approx(4 / 3)
    assert again.peak.activations < plain.peak.activations
    uneven = estimate(replace(job(), tile_imbalance=2.0), Layout(dp_shard=8))
    assert 1.3 < uneven.step_seconds / plain.step_seconds < 1.7  # half of Tiny is its vision tower
    assert uneven.peak.activations > plain.peak.activations


def test_flows_are_those_of_the_layout():
    def kinds(text: str) -> set[str]:
        return {flow.kind for flow in estimate(job("base"), parse_layout(text)).flows}

    assert kinds("dp_shard=1") == set()
    assert kinds("dp_shard=8") == {"gather weights", "scatter gradients", "tile balance"}
    assert kinds("dp_replicate=8") == {"reduce replicas", "tile balance"}
    assert kinds("tp=8") == {"tensor parallel"}
    assert "experts all-to-all" in kinds("dp_shard=8,ep=8")
    assert "pipeline" in kinds("pp=8")


@pytest.mark.parametrize("text", ["pp=4,dp_shard=2", "pp=4,schedule=zbv", "pp=2,schedule=gpipe", "dp_shard=8"])
def test_the_timeline_shows_every_pass(text):
    found = estimate(job(), parse_layout(text))
    root = ET.fromstring(draw_timeline(found))
    name = "{http://www.w3.org/2000/svg}rect"
    bars = [bar for bar in root.iter(name) if bar.get("fill-opacity")]
    assert len(bars) == sum(map(len, found.simulation.spans))
    width = float(root.attrib["width"])
    for bar in bars:
        assert 0 <= float(bar.attrib["x"]) <= float(bar.attrib["x"]) + float(bar.attrib["width"]) <= width
    words = " ".join(text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text"))
    assert f"bubble {found.simulation.bubble:.1%}" in words


def test_the_timeline_of_a_long_step_says_that_it_is_shortened():
    svg = draw_timeline(estimate(job("tiny", "pretrain"), parse_layout("pp=2,dp_shard=4")))
    assert "16 of 576 microbatches" in svg
