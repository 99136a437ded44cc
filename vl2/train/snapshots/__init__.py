"""Checkpoints of a run in any layout."""

from vl2.train.snapshots.snapshots import Restored, Snapshots

__all__ = ["Restored", "Snapshots"]
