"""Watching a run: figures of steps go in; lines, curves and a verdict on spikes come out."""

from vl2.train.watch.figures import StepFigures, attended_keys, peak_memory
from vl2.train.watch.kept_batch import save_batch
from vl2.train.watch.spikes import SpikeGuard, SpikeLimits
from vl2.train.watch.watcher import Watcher
from vl2.train.watch.work import Meter, peak_flops

__all__ = [
    "Meter",
    "SpikeGuard",
    "SpikeLimits",
    "StepFigures",
    "Watcher",
    "attended_keys",
    "peak_flops",
    "peak_memory",
    "save_batch",
]
