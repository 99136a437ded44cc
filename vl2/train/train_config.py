"""What one run of a paper stage needs; recipes/tiny, small and base are this as YAML."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from vl2.core.errors import ConfigError
from vl2.core.precision import Precision
from vl2.parallel.plan import Degrees
from vl2.train.paper import PaperRow, PaperStage, Variant, paper_row

POSITIVE = (
    "dp_replicate", "dp_shard", "tp", "ep", "pp", "chunks", "microbatch", "log_every", "eval_every", "save_every",
    "keep_last",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Degrees):
    """A stage of Table 2, on data, in a layout. What is None is as the paper has it."""

    variant: Variant
    stage: PaperStage
    model: str  # weights to begin with: a folder in the official layout, or the `out` of the stage before
    out: str  # the folder of this run: log, checkpoints
    data: dict[str, float]  # files, folders or URLs of records: share of the tokens, in any unit
    tokenizer: str | None = None  # a folder; None: that of `model`
    eval_data: tuple[str, ...] = ()

    microbatch: int = 1  # sequences of one forward pass
    precision: Precision = "bfloat16"  # of the computation, see core/precision.py; master weights are float32
    level_tiles: bool = True  # over the data-parallel processes, where there is no pipeline
    visual_share: float = 0.35  # of the tokens, by which a pipeline is cut into stages of equal work

    pack_tiles: int = 18  # the most tiles of a sequence
    num_lanes: int | None = None  # of the data, the most data-parallel processes; None: as many as there are
    num_workers: int = 4  # that decode images, in each process
    seed: int = 0
    log_every: int = 10  # steps
    eval_every: int = 1000
    save_every: int = 500
    keep_last: int = 3  # checkpoints
    wandb_project: str = ""

    # For other than the paper's sizes, as toys are.
    num_steps: int | None = None
    batch_size: int | None = None  # sequences a step, over all processes
    sequence_length: int | None = None
    learning_rate: float | None = None
    warmup_steps: int | None = None

    def __post_init__(self) -> None:
        for name in POSITIVE:
            if getattr(self, name) < 1:
                raise ConfigError(name, "must be positive", got=getattr(self, name))
        if not self.data or min(self.data.values()) <= 0:
            raise ConfigError("data", "needs records with positive shares", got=self.data)
        rows = self.row.batch_size
        if rows % (self.data_parallel * self.microbatch):
            raise ConfigError(
                "microbatch", "does not divide the batch over the data-parallel processes", got=self.microbatch,
                expected=f"a divisor of {rows} / {self.data_parallel}",
            )  # fmt: skip

    @property
    def row(self) -> PaperRow:
        """Return the column of Table 2 with this run's changes."""
        return replace(paper_row(self.variant, self.stage), **self._changes())

    @property
    def steps(self) -> int:
        """Return how many steps the run has."""
        return self.num_steps if self.num_steps is not None else self.row.num_steps

    @property
    def num_microbatches(self) -> int:
        """Return the forward passes of one step in each process."""
        return self.row.batch_size // (self.data_parallel * self.microbatch)

    def _changes(self) -> dict[str, Any]:
        names = ("batch_size", "sequence_length", "learning_rate", "warmup_steps")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}
