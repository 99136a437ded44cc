"""Layout: how processes share a run, and which layouts a model, a batch and a number of GPUs allow."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import get_args

from vl2.core.errors import ConfigError
from vl2.model.config import VL2Config
from vl2.parallel.plan import ONE_STAGE, Degrees, ParallelPlan, ScheduleName
from vl2.train.paper import PaperRow
from vl2.train.planning.units import units_of
from vl2.train.train_config import TrainConfig


@dataclass(frozen=True, kw_only=True)
class Layout(Degrees):
    """Degrees of parallelism, and how much a process reads at a time."""

    microbatch: int = 1  # sequences

    def num_microbatches(self, row: PaperRow) -> int:
        """Return the forward passes of a step in each process."""
        return row.batch_size // (self.data_parallel * self.microbatch)

    def __str__(self) -> str:
        named = {"dp_replicate": self.dp_replicate, "dp_shard": self.dp_shard, "tp": self.tp, "ep": self.ep,
                 "pp": self.pp, "microbatch": self.microbatch}  # fmt: skip
        words = [f"{name}={value}" for name, value in named.items() if value > 1 or name == "dp_shard"]
        if self.pp > 1:
            words += [f"schedule={self.schedule}", *([f"chunks={self.chunks}"] if self.chunks > 1 else [])]
        return ",".join([*words, *(["recompute=1"] if self.recompute else [])])


def parse_layout(text: str) -> Layout:
    """Read "dp_shard=4,pp=2,schedule=1f1b". Raises ConfigError on what is no layout."""
    values: dict[str, str] = {}
    for word in text.split(","):
        name, sign, value = word.strip().partition("=")
        if name not in Layout.__dataclass_fields__ or not sign:
            valid = ", ".join(Layout.__dataclass_fields__)
            raise ConfigError("layout", "not name=value", got=repr(word.strip()), expected=valid)
        values[name] = value
    schedule = values.pop("schedule", "1f1b")
    if schedule not in get_args(ScheduleName):
        raise ConfigError("schedule", "unknown", got=schedule, expected=", ".join(get_args(ScheduleName)))
    wrong = [f"{name}={value}" for name, value in values.items() if not value.isdecimal() or int(value) > 1 << 20]
    if wrong:
        raise ConfigError("layout", "not a number", got=", ".join(wrong))
    numbers = {name: int(value) for name, value in values.items()}
    recompute = bool(numbers.pop("recompute", 0))
    chunks = numbers.pop("chunks", 1 if schedule in ONE_STAGE else 2)
    return Layout(schedule=schedule, chunks=chunks, recompute=recompute, **numbers)  # type: ignore[arg-type]


def layout_of(config: TrainConfig) -> Layout:
    """Return the layout of a recipe."""
    return Layout(**{field.name: getattr(config, field.name) for field in fields(Layout)})


def parallel_plan(layout: Layout, row: PaperRow, stage_ends: tuple[int, ...]) -> ParallelPlan:
    """Return what vl2.parallel is given."""
    return ParallelPlan(
        **{field.name: getattr(layout, field.name) for field in fields(Degrees)},
        stage_ends=stage_ends,
        num_microbatches=layout.num_microbatches(row),
        precision="bfloat16",
    )


def check_layout(layout: Layout, config: VL2Config, row: PaperRow) -> None:
    """Raise ConfigError, with the valid choices, on a layout that cannot run."""
    if min(layout.data_parallel, layout.microbatch) < 1 or row.batch_size % (layout.data_parallel * layout.microbatch):
        raise ConfigError(
            "dp_replicate * dp_shard * microbatch", f"does not divide the batch of {row.batch_size}",
            got=layout.data_parallel * layout.microbatch,
            expected=", ".join(str(d) for d in range(1, row.batch_size + 1) if row.batch_size % d == 0),
        )  # fmt: skip
    num_units = len(units_of(config))
    if layout.num_stages > num_units:
        raise ConfigError("pp", "more stages than units", got=layout.num_stages, expected=f"at most {num_units}")
    anywhere = (*range(1, layout.num_stages), num_units) if layout.pp > 1 else ()
    parallel_plan(layout, row, anywhere).check(layout.world_size, config)
