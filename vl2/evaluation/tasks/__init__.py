"""Tasks: the benchmarks of the paper, one file each, and our own."""

from __future__ import annotations

from vl2.core.errors import VL2Error, nearest
from vl2.evaluation.task import Task
from vl2.evaluation.tasks import (
    ai2d,
    chartqa,
    docvqa,
    infovqa,
    mathvista,
    mmbench,
    mme,
    mmmu,
    mmstar,
    mmt_bench,
    ocrbench,
    pocketbench,
    realworldqa,
    refcoco,
    textvqa,
)

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        docvqa.TASK, chartqa.TASK, infovqa.TASK, textvqa.TASK, ocrbench.TASK, realworldqa.TASK, ai2d.TASK,
        ai2d.NO_MASK, mmmu.TASK, mmstar.TASK, mathvista.TASK, mme.TASK, mmbench.EN, mmbench.CN, mmbench.V11_EN,
        mmbench.V11_CN, mmt_bench.TASK, refcoco.TASK, refcoco.PLUS, refcoco.G, pocketbench.TASK,
    )
}  # fmt: skip


def find_task(name: str) -> Task:
    """Return the task of this name. Raises VL2Error when there is none."""
    if name not in TASKS:
        raise VL2Error("task", "is unknown", got=name, expected=", ".join(TASKS), do=nearest(name, TASKS))
    return TASKS[name]
