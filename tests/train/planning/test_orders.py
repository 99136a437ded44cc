"""The orders that are simulated are those that PyTorch's schedules run, pass for pass."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.pipelining import (
    PipelineStage,
    Schedule1F1B,
    ScheduleDualPipeV,
    ScheduleGPipe,
    ScheduleInterleaved1F1B,
    ScheduleInterleavedZeroBubble,
    ScheduleLoopedBFS,
    ScheduleZBVZeroBubble,
)
from torch.testing._internal.distributed.fake_pg import FakeStore

from vl2.train.planning.orders import orders_of, rank_of
from vl2.train.planning.passes import Op

KINDS = {"FORWARD": "forward", "FULL_BACKWARD": "backward", "BACKWARD_INPUT": "input", "BACKWARD_WEIGHT": "weight"}
SEVERAL = {
    "interleaved": ScheduleInterleaved1F1B, "looped_bfs": ScheduleLoopedBFS,
    "zero_bubble": ScheduleInterleavedZeroBubble, "zbv": ScheduleZBVZeroBubble, "dualpipev": ScheduleDualPipeV,
}  # fmt: skip
SIZES = [(1, 4), (2, 2), (2, 8), (4, 8), (4, 20), (8, 16)]  # processes, microbatches


@pytest.fixture
def world(request):
    """A group of as many processes as asked for, of which only the first is there."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=request.param)
    yield request.param
    dist.destroy_process_group()


def stage(number: int, num_stages: int) -> PipelineStage:
    x = (torch.empty(1, 2, device="meta"),)
    return PipelineStage(nn.Linear(2, 2), number, num_stages, torch.device("cpu"), input_args=x, output_args=x)


def passes_of(actions) -> tuple[Op, ...]:
    found: list[Op] = []
    for action in actions:
        if action is None or action.computation_type.name == "REDUCE_GRAD":
            continue  # a wait, or what the shards of gradients do in the end
        for one in action.sub_actions or (action,):  # a forward and a backward that overlap
            found.append(Op(KINDS[one.computation_type.name], one.stage_index, one.microbatch_index))
    return tuple(found)


CASES = [(name, pp, m) for name in SEVERAL for pp, m in SIZES if name != "dualpipev" or m >= 2 * pp]


@pytest.mark.parametrize(("schedule", "world", "microbatches"), CASES, indirect=["world"])
def test_schedules_of_several_stages(schedule, world, microbatches):
    chunks = 2
    here = [number for number in range(chunks * world) if rank_of(number, world, schedule) == 0]
    made = SEVERAL[schedule](
        [stage(number, chunks * world) for number in here], microbatches, loss_fn=lambda output, _: output.sum()
    )
    expected = tuple(passes_of(made.pipeline_order[rank]) for rank in range(world))
    assert orders_of(schedule, pp=world, chunks=chunks, microbatches=microbatches) == expected


@pytest.mark.parametrize(("world", "microbatches"), SIZES, indirect=["world"])
@pytest.mark.parametrize(("schedule", "made"), [("gpipe", ScheduleGPipe), ("1f1b", Schedule1F1B)])
def test_schedules_of_one_stage(schedule, made, world, microbatches):
    orders = made(stage(0, world), microbatches, loss_fn=lambda output, _: output.sum())._get_pipeline_order()
    # The listing of 1F1B counts the last process's forwards from 1, with one too many; the run begins with 0.
    listed = range(world - 1 if schedule == "1f1b" else world)
    found = orders_of(schedule, pp=world, chunks=1, microbatches=microbatches)
    assert [found[rank] for rank in listed] == [passes_of(orders[rank]) for rank in listed]
