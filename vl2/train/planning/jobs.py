"""Jobs: a column of Table 2 on a machine, with what its sequences hold."""

from __future__ import annotations

from pathlib import Path

from vl2.data.packing import PackLimits
from vl2.model.presets import PRESETS
from vl2.train.paper import PaperRow, paper_row
from vl2.train.planning.estimate import Job
from vl2.train.planning.flops import packed_traffic
from vl2.train.planning.hardware import machine
from vl2.train.planning.imbalance import Imbalance, even_histogram, measure_imbalance, read_histogram


def job_of(row: PaperRow, gpu: str, *, visual_share: float, most_tiles: int = PackLimits().tiles) -> Job:
    """Return a job; logits are computed for the tokens that are not visual. Raises ConfigError on an unknown GPU."""
    config = PRESETS[row.variant]
    sequence = packed_traffic(
        config, tokens=row.sequence_tokens, visual_share=visual_share, learned_share=1 - visual_share
    )
    return Job(config=config, row=row, machine=machine(gpu), sequence=sequence, most_tiles=most_tiles)


def measured_imbalance(variant: str, histogram: str | Path | None, ranks: int) -> Imbalance:
    """Return the tile imbalance of images of these sizes, or of all canvases alike when no file is given."""
    config = PRESETS[paper_row(variant, "pretrain").variant]
    sizes = even_histogram(config) if histogram is None else read_histogram(histogram)
    return measure_imbalance(config, sizes, ranks=ranks)
