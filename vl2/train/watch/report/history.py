"""History: what a run's folder tells, read as something that anyone may have written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from vl2.core.errors import VL2Error
from vl2.train.watch.line import NAMES, LogLine, Spike
from vl2.train.watch.log import LOG, bounded_lines, number, parse_line
from vl2.train.watch.report.older import as_today
from vl2.train.watch.watcher import ABOUT

MOST_LOG_BYTES, MOST_ABOUT_BYTES = 1 << 30, 1 << 20
MOST_LAYERS, MOST_EXPERTS = 256, 1024
MOST_LOADS = 400  # of which every second one is dropped when there are more
MOST_NAMES = 64  # in a mapping of a line
SMALLEST, LARGEST = 1e-30, 1e30
STATE = Path("checkpoint") / "state.json"  # holds the config of runs that have no run.json
NUMBERS = tuple(one.name for one in fields(LogLine) if one.type == "float | None")


@dataclass(frozen=True, kw_only=True)
class History:
    """One run so far, its lines in the order of steps."""

    name: str
    lines: Sequence[LogLine]
    num_steps: int | None  # of the whole run
    config: Mapping[str, Any]  # empty where none is kept
    num_broken: int  # lines that cannot be read


def read_history(run: Path) -> History:
    """Read a run's folder. Raises VL2Error when there is no log with a line that can be read."""
    path = run / LOG
    if not path.is_file():
        raise VL2Error(str(run), f"no {LOG} here", do="Give the folder of a training run, its `out`.")
    if path.stat().st_size > MOST_LOG_BYTES:
        raise VL2Error(str(path), "too large", got=path.stat().st_size, expected=f"at most {MOST_LOG_BYTES} bytes")
    by_step: dict[int, LogLine] = {}
    loads: list[int] = []  # steps of the lines that hold one
    num_broken = 0
    with path.open("rb") as log:
        for data in bounded_lines(log):
            record = parse_line(data)
            if record is None:
                num_broken += bool(data.strip())
                continue
            line = to_line(as_today(record))
            by_step[line.step] = line  # of a step that was done again, the later line holds
            if line.expert_load:
                loads.append(line.step)
                loads = _fewer(loads, by_step)
    if not by_step:
        raise VL2Error(str(path), "not one line can be read", got=f"{num_broken} others", do="Is this a training log?")
    about = _about(run)
    lines = [by_step[step] for step in sorted(by_step)]
    totals = (int(total) for total in (lines[-1].num_steps, number(about.get("num_steps"))) if total)
    config = about.get("config")
    return History(
        name=run.resolve().name, lines=lines, num_steps=next(totals, None), num_broken=num_broken,
        config=config if isinstance(config, dict) else {},
    )  # fmt: skip


def to_line(record: Mapping[str, Any]) -> LogLine:
    """Return a record as a line: what is of another kind than it should be is left out."""
    values: dict[str, Any] = {name: _bounded(record[name]) for name in NUMBERS if name in record}
    for name in ("num_steps", "steps"):
        if (count := _bounded(record.get(name))) is not None and count >= 1:
            values[name] = int(count)
    others = {name: value for name, value in record.items() if name not in NAMES}
    return LogLine(
        step=record["step"], learning_rates=_numbers(record.get("learning_rates")), others=_numbers(others),
        skipped={name: int(value) for name, value in _numbers(record.get("skipped")).items()},
        expert_load=_load(record.get("expert_load")), spikes=_spikes(record.get("spikes")), **values,
    )  # fmt: skip


def _bounded(value: Any) -> float | None:
    found = number(value)
    if found is None or abs(found) > LARGEST:
        return None
    return found if abs(found) > SMALLEST else 0.0


def _numbers(values: Any) -> dict[str, float]:
    if not isinstance(values, dict):
        return {}
    known = ((str(name), _bounded(value)) for name, value in list(values.items())[:MOST_NAMES])
    return {name: value for name, value in known if value is not None}


def _load(layers: Any) -> list[list[float]]:
    """Return expert loads [L, E], or nothing where that is no matrix of numbers."""
    if not isinstance(layers, list) or not 0 < len(layers) <= MOST_LAYERS:
        return []
    if not all(isinstance(layer, list) and 0 < len(layer) <= MOST_EXPERTS for layer in layers):
        return []
    rows = [[_bounded(share) for share in layer] for layer in layers]
    if len({len(row) for row in rows}) != 1 or any(share is None for row in rows for share in row):
        return []
    return [[share for share in row if share is not None] for row in rows]


def _spikes(spikes: Any) -> tuple[Spike, ...]:
    if not isinstance(spikes, list):
        return ()
    return tuple(
        Spike(
            step=one["step"], reason=str(one.get("reason", "")), loss=_bounded(one.get("loss")),
            grad_norm=_bounded(one.get("grad_norm")),
        )
        for one in spikes[:MOST_NAMES]
        if isinstance(one, dict) and type(one.get("step")) is int and abs(one["step"]) < LARGEST
    )  # fmt: skip


def _fewer(loads: list[int], by_step: dict[int, LogLine]) -> list[int]:
    if len(loads) <= MOST_LOADS:
        return loads
    for step in loads[1::2]:
        by_step[step] = replace(by_step[step], expert_load=())
    return loads[::2]


def _about(run: Path) -> dict[str, Any]:
    """Return what run.json says, or an older run's checkpoint; empty where neither can be read."""
    for path in (run / ABOUT, run / STATE):
        try:
            if path.is_file() and path.stat().st_size <= MOST_ABOUT_BYTES:
                found = json.loads(path.read_text(encoding="utf-8"))
                if isinstance(found, dict):
                    return found
        except (ValueError, RecursionError, OSError):
            continue
    return {}
