"""Log lines of runs that were made before all trainers wrote the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vl2.train.watch.line import HELD_OUT
from vl2.train.watch.log import number


def as_today(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a line under today's names."""
    if "lr_scale" in record:
        return _stage(record)
    return _finetuning(record) if "rate" in record else record


def _stage(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line of pocket's stages: means over supervised tokens, and the warm-up and decay factor of all rates."""
    learned = [number(record.get(name)) or 0.0 for name in ("text", "coordinates")]
    kept = {name: value for name, value in record.items() if name not in ("lr_scale", "balance", "weight")}
    return kept | {
        "loss": sum(learned) or record.get("slots"),  # the stage that learns slots alone has no text
        "balance_loss": record.get("balance"),
        "learning_rates": {"factor of all": record["lr_scale"]},
        "supervised_tokens": record.get("weight"),
        "skipped": {"samples": record.get("skipped")},
    }


def _finetuning(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line of a fine-tuning: one step, and a look at held-out samples at some."""
    kept = {name: value for name, value in record.items() if name not in ("rate", "look")}
    kept["learning_rates"] = {"all": record["rate"]}
    look = record.get("look")
    if isinstance(look, dict):
        kept |= {"eval_loss": look.get("loss"), f"{HELD_OUT}accuracy": look.get("accuracy")}
    return kept
