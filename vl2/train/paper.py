"""Table 2 of the paper as data: how each variant is trained in each stage, and what the paper leaves out.

The defaults at the top are not the paper's. Each names where it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from vl2.core.errors import ConfigError, nearest

Variant = Literal["tiny", "small", "base"]
PaperStage = Literal["align", "pretrain", "sft"]
ScheduleKind = Literal["cosine", "step", "constant"]

ADAM_BETAS = (0.9, 0.95)  # everywhere (Table 2)

WARMUP_STEPS = 2000  # DeepSeek-V2-Lite, the parent model, warms up linearly over so many
WARMUP_SHARE = 0.03  # of shorter stages, as LLaVA-1.5 trains: 2000 steps are more than align has
COSINE_FLOOR = 0.0  # of the learning rate; LLaVA-1.5's cosine ends at zero
ADAM_EPS = 1e-8  # Adam's own paper, and PyTorch
UNPACKED_TOKENS = 1667.0  # of a sequence of align: the paper's 2.0e9 tokens over about 1.2e6 samples of ShareGPT4V
# As ViT recipes do: what is added or scaled is not drawn to zero. Tensors of one dimension are not either.
WITHOUT_DECAY = ("pos_embed",)


@dataclass(frozen=True, kw_only=True)
class PaperRow:
    """One column of Table 2. Learning rates are those after warm-up, for batches of `batch_size` sequences."""

    variant: Variant
    stage: PaperStage
    learning_rate: float
    schedule: ScheduleKind
    num_tokens: float  # of the whole stage, visual ones included
    batch_size: int  # sequences a step, over all processes
    is_packed: bool
    is_pipelined: bool
    aux_weight: float
    bias_step: float | None  # of the loss-free balance: 0 keeps the bias, None where the router has none
    has_bf16_states: bool  # of the optimizer
    vision_rate: float = 0.1  # times the learning rate
    weight_decay: float = 0.1
    clip: float = 1.0
    betas: tuple[float, float] = ADAM_BETAS
    sequence_length: int = 4096
    warmup_steps: int | None = None  # None: WARMUP_STEPS, or WARMUP_SHARE of a shorter stage
    cosine_floor: float = COSINE_FLOOR
    eps: float = ADAM_EPS

    @property
    def freezes_language(self) -> bool:
        """Tell whether the language model stands still."""
        return self.stage == "align"

    @property
    def num_steps(self) -> int:
        """Return the steps that the tokens of the stage take."""
        return round(self.num_tokens / (self.batch_size * self.sequence_tokens))

    @property
    def sequence_tokens(self) -> float:
        """Return the tokens of a sequence: all that it may have when it is packed, a sample's when it is not."""
        return float(self.sequence_length) if self.is_packed else min(UNPACKED_TOKENS, self.sequence_length)

    def warmup(self, num_steps: int) -> int:
        """Return the warm-up steps of a stage of `num_steps`."""
        if self.warmup_steps is not None:
            return self.warmup_steps
        return min(WARMUP_STEPS, round(WARMUP_SHARE * num_steps))


_SCHEDULES: dict[PaperStage, ScheduleKind] = {"align": "cosine", "pretrain": "step", "sft": "constant"}
_BATCHES: dict[PaperStage, int] = {"align": 256, "pretrain": 2304, "sft": 64}
_BIAS_STEPS: dict[PaperStage, float] = {"align": 0.0, "pretrain": 1e-3, "sft": 0.0}


def _row(variant: Variant, stage: PaperStage, learning_rate: float, billion_tokens: float) -> PaperRow:
    is_base = variant == "base"
    return PaperRow(
        variant=variant,
        stage=stage,
        learning_rate=learning_rate,
        schedule=_SCHEDULES[stage],
        num_tokens=round(billion_tokens * 1e9),
        batch_size=3360 if is_base and stage == "pretrain" else _BATCHES[stage],
        is_packed=stage != "align",
        is_pipelined=(variant, stage) != ("tiny", "align"),
        aux_weight=1e-4 if is_base else 1e-3,
        bias_step=_BIAS_STEPS[stage] if is_base else None,
        has_bf16_states=is_base,
    )


_ROWS = (
    _row("tiny", "align", 5.4e-4, 2.0), _row("tiny", "pretrain", 5.4e-4, 798.5), _row("tiny", "sft", 3.0e-5, 19.5),
    _row("small", "align", 4.2e-4, 2.0), _row("small", "pretrain", 4.2e-4, 808.9), _row("small", "sft", 1.4e-5, 20.0),
    _row("base", "align", 4.5e-4, 2.0), _row("base", "pretrain", 4.5e-4, 796.5), _row("base", "sft", 2e-5, 19.5),
)  # fmt: skip
TABLE_2: dict[tuple[Variant, PaperStage], PaperRow] = {(row.variant, row.stage): row for row in _ROWS}


def paper_row(variant: str, stage: str) -> PaperRow:
    """Return a column of Table 2. Raises ConfigError on a name that is not there."""
    for thing, name, valid in (("variant", variant, get_args(Variant)), ("stage", stage, get_args(PaperStage))):
        if name not in valid:
            raise ConfigError(thing, "not in Table 2", got=name, expected=", ".join(valid), do=nearest(name, valid))
    return TABLE_2[variant, stage]  # type: ignore[index]
