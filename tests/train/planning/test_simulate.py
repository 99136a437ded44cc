"""Schedules, simulated: every pass once, nothing before what it needs, and bubbles as the formulas say."""

from __future__ import annotations

from collections import Counter

import pytest

from vl2.core.errors import ConfigError
from vl2.train.planning.orders import orders_of, rank_of
from vl2.train.planning.passes import Op
from vl2.train.planning.simulate import bubble_formula, most_held, simulate, simulate_step

SCHEDULES = {
    "gpipe": 1, "1f1b": 1, "interleaved": 2, "looped_bfs": 2, "zero_bubble": 2, "zbv": 2, "dualpipev": 2
}  # fmt: skip
SIZES = [(1, 3), (2, 2), (2, 7), (4, 8), (4, 72), (8, 80), (11, 96)]  # processes, microbatches
POINT = 0.01
PLAIN = ("gpipe", "1f1b", "interleaved", "looped_bfs")  # the formula is theirs
KINDS = ("forward", "backward", "input", "weight")


def lengths(op: Op) -> float:
    return {"forward": 1.0, "backward": 2.0, "input": 1.0, "weight": 1.0}[op.kind]


def allowed(schedule: str, pp: int, microbatches: int) -> bool:
    if schedule == "dualpipev":
        return microbatches >= 2 * pp
    return schedule not in ("interleaved", "zero_bubble") or microbatches % max(1, microbatches // pp) == 0


CASES = [(s, pp, m) for s in SCHEDULES for pp, m in SIZES if allowed(s, pp, m)]


@pytest.mark.parametrize(("schedule", "pp", "microbatches"), CASES)
def test_every_pass_runs_once_and_on_its_process(schedule, pp, microbatches):
    chunks = SCHEDULES[schedule]
    orders = orders_of(schedule, pp=pp, chunks=chunks, microbatches=microbatches)
    passes = Counter(op for order in orders for op in order)
    assert set(passes.values()) == {1}
    for stage in range(pp * chunks):
        for number in range(microbatches):
            kinds = {kind for kind in KINDS if Op(kind, stage, number) in passes}
            assert kinds in ({"forward", "backward"}, {"forward", "input", "weight"})
            assert ("input" in kinds) is schedule.startswith("z") or schedule == "dualpipev"
    for rank, order in enumerate(orders):
        assert {rank_of(op.stage, pp, schedule) for op in order} == {rank}


@pytest.mark.parametrize(("schedule", "pp", "microbatches"), CASES)
def test_no_pass_starts_before_what_it_needs(schedule, pp, microbatches):
    chunks, transfer = SCHEDULES[schedule], 0.25
    found = simulate(
        schedule, pp=pp, chunks=chunks, microbatches=microbatches, duration=lengths, transfer=transfer
    )  # fmt: skip
    starts = {span.op: span.start for row in found.spans for span in row}
    ends = {span.op: span.end for row in found.spans for span in row}
    last = pp * chunks - 1
    for op, start in starts.items():
        if op.kind == "weight":
            assert start >= ends[Op("input", op.stage, op.microbatch)]
        elif op.kind == "forward":
            if op.stage:
                far = rank_of(op.stage, pp, schedule) != rank_of(op.stage - 1, pp, schedule)
                assert start >= ends[Op("forward", op.stage - 1, op.microbatch)] + far * transfer
        else:
            assert start >= ends[Op("forward", op.stage, op.microbatch)]
            if op.stage < last:
                far = rank_of(op.stage, pp, schedule) != rank_of(op.stage + 1, pp, schedule)
                found_end = [
                    ends[one]
                    for kind in ("input", "backward")
                    if (one := Op(kind, op.stage + 1, op.microbatch)) in ends
                ]
                assert start >= found_end[0] + far * transfer
    for row in found.spans:
        assert all(a.end <= b.start for a, b in zip(row, row[1:], strict=False))


@pytest.mark.parametrize(("schedule", "pp", "microbatches"), [case for case in CASES if case[0] in PLAIN])
def test_the_bubble_is_that_of_the_formula(schedule, pp, microbatches):
    chunks = SCHEDULES[schedule]
    found = simulate(schedule, pp=pp, chunks=chunks, microbatches=microbatches, duration=lengths)
    assert abs(found.bubble - bubble_formula(pp, chunks, microbatches)) < POINT


def test_the_formula_gives_the_reference_figures():
    cases = {(4, 72): (0.040, 0.020), (4, 18): (0.143, 0.077), (8, 80): (0.080, 0.042), (11, 96): (0.094, 0.050)}
    for (pp, microbatches), (one, two) in cases.items():
        assert bubble_formula(pp, 1, microbatches) == pytest.approx(one, abs=6e-4)
        assert bubble_formula(pp, 2, microbatches) == pytest.approx(two, abs=6e-4)


@pytest.mark.parametrize(("pp", "microbatches"), [(2, 7), (4, 18), (4, 72), (8, 80), (11, 96)])
def test_zero_bubble_waits_for_a_forward_and_backward_less_two_weights(pp, microbatches):
    """(P-1)(F + B - 2W), B being both backward passes: a third of 1F1B's when all three are equal."""
    waits = (pp - 1) * (1 + 2 - 2 * 1)
    for chunks in (1, 2):  # of half the length
        if allowed("zero_bubble", pp, microbatches):
            found = simulate("zero_bubble", pp=pp, chunks=chunks, microbatches=microbatches, duration=lengths)
            assert abs(found.bubble - waits / (3 * chunks * microbatches + waits)) < POINT
    v_shaped = simulate("zbv", pp=pp, chunks=2, microbatches=microbatches, duration=lengths)
    assert v_shaped.bubble < waits / (3 * microbatches + waits)


def test_activations_in_flight():
    def held(schedule: str, pp: int, microbatches: int) -> list[float]:
        orders = orders_of(schedule, pp=pp, chunks=SCHEDULES[schedule], microbatches=microbatches)
        return [most_held(order, lambda stage: 1.0) for order in orders]

    assert held("gpipe", 4, 8) == [8, 8, 8, 8]
    assert held("1f1b", 4, 8) == [4, 3, 2, 1]
    assert held("interleaved", 4, 8) == [11, 9, 7, 5]  # of half the size, as all below
    assert held("looped_bfs", 4, 8) == [16, 16, 16, 16]
    assert held("zero_bubble", 4, 8) == [8, 8, 8, 8]
    assert held("zbv", 4, 8) == [8, 8, 8, 8]
    assert held("dualpipev", 4, 8) == [9, 9, 9, 9]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_long_step_is_told_from_a_short_one(schedule):
    def uneven(op: Op) -> float:
        return lengths(op) * (1.3 if op.stage == 1 else 1.0)

    words = {"pp": 4, "chunks": SCHEDULES[schedule], "microbatches": 202 if allowed(schedule, 4, 202) else 200}
    whole, told = (run(schedule, duration=uneven, transfer=0.1, **words) for run in (simulate, simulate_step))
    assert told.seconds == pytest.approx(whole.seconds, rel=2e-3)
    assert told.bubble == pytest.approx(whole.bubble, abs=2e-3)


def test_the_slowest_stage_sets_the_pace():
    found = simulate("1f1b", pp=4, chunks=1, microbatches=64, duration=lambda op: 2 * lengths(op) if op.stage else 4.0)
    assert found.seconds >= 64 * 8.0


def test_processes_that_wait_for_each_other_are_told():
    with pytest.raises(ConfigError, match="wait for each other"):
        simulate("interleaved", pp=4, chunks=2, microbatches=18, duration=lengths)
