"""ParallelPlan: how processes share a model, checked before anything is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from vl2.core.errors import ConfigError, nearest
from vl2.core.precision import Precision
from vl2.model.config import VL2Config

ScheduleName = Literal["gpipe", "1f1b", "interleaved", "looped_bfs", "zero_bubble", "zbv", "dualpipev"]
ONE_STAGE = ("gpipe", "1f1b")  # a process holds one stage
V_SHAPED = ("zbv", "dualpipev")  # a process holds two stages: one on the way down, one on the way up
# These compute the gradients of inputs and of weights apart, without the hooks of FSDP.
SPLIT_BACKWARD = ("zero_bubble", "zbv", "dualpipev")


@dataclass(frozen=True, kw_only=True)
class Degrees:
    """Degrees of parallelism. pp is outermost, tp innermost; ep takes its processes from dp_shard and tp."""

    dp_replicate: int = 1
    dp_shard: int = 1
    tp: int = 1
    ep: int = 1
    pp: int = 1
    schedule: ScheduleName = "1f1b"
    chunks: int = 1  # stages of the pipeline that each process holds
    recompute: bool = False  # keep only what goes into a block or layer, and compute it again in backward

    @property
    def world_size(self) -> int:
        """Return how many processes the degrees take."""
        return self.data_parallel * self.tp * self.pp

    @property
    def data_parallel(self) -> int:
        """Return how many processes read other data."""
        return self.dp_replicate * self.dp_shard

    @property
    def num_stages(self) -> int:
        """Return the stages of the pipeline."""
        return self.pp * self.chunks


@dataclass(frozen=True, kw_only=True)
class ParallelPlan(Degrees):
    """All that a parallel model is built by."""

    # Behind which unit each stage ends, see vl2/parallel/units.py: 27 blocks, adaptor, embedding, layers, head.
    stage_ends: tuple[int, ...] = ()
    num_microbatches: int = 1  # of one step, in each process
    precision: Precision = "float32"  # of the computation; weights and gradients are float32
    # Free a layer's gathered weights between forward and backward. None: yes, but not in a pipeline, where every
    # microbatch would gather them anew.
    reshard_after_forward: bool | None = None

    @property
    def reshards(self) -> bool:
        """Tell whether gathered weights are freed after forward."""
        return self.pp == 1 if self.reshard_after_forward is None else self.reshard_after_forward

    def stages_of(self, pp_rank: int) -> tuple[int, ...]:
        """Return the stages that a process of the pipeline holds."""
        if self.schedule in V_SHAPED:
            return pp_rank, 2 * self.pp - 1 - pp_rank
        return tuple(range(pp_rank, self.num_stages, self.pp))

    def check(self, world_size: int, config: VL2Config) -> None:
        """Raise ConfigError, with the valid choices, when the plan cannot run on so many processes or this model."""
        for name in ("dp_replicate", "dp_shard", "tp", "ep", "pp", "chunks", "num_microbatches"):
            if getattr(self, name) < 1:
                raise ConfigError(name, "must be positive", got=getattr(self, name))
        if self.world_size != world_size:
            raise ConfigError(
                "dp_replicate * dp_shard * tp * pp", "is not the number of processes", got=self.world_size,
                expected=world_size,
                do=f"With the others as they are, dp_shard {world_size * self.dp_shard / self.world_size:g} would fit.",
            )  # fmt: skip
        self._check_width(config)
        self._check_pipeline(config)

    def _check_width(self, config: VL2Config) -> None:
        language, vision = config.language_config, config.vision_config
        shared = {
            "heads": language.num_attention_heads,
            "dense width": language.intermediate_size,
            "vision width": int(vision.width * vision.mlp_ratio),
            "vocabulary": language.vocab_size,
        }
        if language.n_shared_experts:
            shared["shared experts"] = language.n_shared_experts * language.moe_intermediate_size
        valid = [tp for tp in range(1, language.num_attention_heads + 1) if not any(n % tp for n in shared.values())]
        if self.tp not in valid:
            thing = "must divide " + ", ".join(f"{name} {number}" for name, number in shared.items())
            raise ConfigError("tp", thing, got=self.tp, expected=_choices(valid))
        experts, processes = language.n_routed_experts or 1, self.dp_shard * self.tp
        valid = [ep for ep in range(1, processes + 1) if not processes % ep and not experts % ep]
        if self.ep not in valid:
            thing = f"must divide the {experts} experts and dp_shard * tp = {processes}"
            raise ConfigError("ep", thing, got=self.ep, expected=_choices(valid))

    def _check_pipeline(self, config: VL2Config) -> None:
        names = get_args(ScheduleName)
        if self.schedule not in names:
            raise ConfigError(
                "schedule", "unknown", got=self.schedule, expected=", ".join(names), do=nearest(self.schedule, names)
            )
        if self.pp == 1:
            if self.chunks > 1:
                raise ConfigError("chunks", "needs a pipeline", got=self.chunks, expected="1 where pp is 1")
            return
        self._check_schedule()
        num_units = config.vision_config.layers + config.language_config.num_hidden_layers + 3
        ends = self.stage_ends
        if len(ends) != self.num_stages or list(ends) != sorted({*ends}) or ends[0] < 1 or ends[-1] != num_units:
            raise ConfigError(
                "stage_ends", "does not cut the model into its stages", got=ends or "nothing",
                expected=f"{self.num_stages} rising numbers, the last {num_units}",
            )  # fmt: skip

    def _check_schedule(self) -> None:
        valid = "1" if self.schedule in ONE_STAGE else "2" if self.schedule in V_SHAPED else "2 or more"
        if not (self.chunks == int(valid) if valid.isdecimal() else self.chunks >= 2):
            raise ConfigError("chunks", f"does not fit schedule {self.schedule}", got=self.chunks, expected=valid)
        if self.schedule in SPLIT_BACKWARD and self.reshards:
            # PyTorch gives wrong gradients here and says nothing: tests/parallel/test_zero_bubble_fault.py
            raise ConfigError(
                "reshard_after_forward", f"gives wrong gradients with schedule {self.schedule}", got=True,
                expected=False, do="Leave it out, or choose gpipe, 1f1b, interleaved or looped_bfs.",
            )  # fmt: skip
        if self.schedule == "dualpipev" and self.num_microbatches < self.num_stages:
            raise ConfigError(
                "num_microbatches", "too few for schedule dualpipev", got=self.num_microbatches,
                expected=f"{self.num_stages} or more",
            )  # fmt: skip
        rounds = max(1, self.num_microbatches // self.pp)
        if self.schedule in ("interleaved", "zero_bubble") and self.num_microbatches % rounds:
            valid_counts = [self.num_microbatches - self.num_microbatches % self.pp, self.pp * (rounds + 1)]
            raise ConfigError(
                "num_microbatches", f"must be a multiple of its {rounds} rounds of pp", got=self.num_microbatches,
                expected=" or ".join(map(str, valid_counts)),
            )  # fmt: skip


def _choices(valid: list[int]) -> str:
    return ", ".join(map(str, valid))
