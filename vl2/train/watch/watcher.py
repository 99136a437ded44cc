"""Watcher: takes the figures of every step and tells them: log.jsonl, TensorBoard, W&B, the screen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from vl2.train.watch.figures import StepFigures
from vl2.train.watch.log import append_line, cut_log
from vl2.train.watch.pool import Pool
from vl2.train.watch.screen import Screen
from vl2.train.watch.sinks import Sink, open_sinks
from vl2.train.watch.work import Meter

ABOUT = "run.json"  # the resolved config of a run, for its report
MOST_LOADS = 200  # expert loads in a log: as many columns as a heat map shows


class Watcher:
    """One run, from its first step or from where it was resumed. On rank 0 alone.

    Use it in a `with`, or close it: what was not yet a line becomes one then.
    """

    def __init__(
        self, out: Path, *, num_steps: int, first_step: int = 0, log_every: int = 10, meter: Meter | None = None,
        config: Mapping[str, Any] | None = None, wandb_project: str = "", is_shown: bool = True,
    ) -> None:  # fmt: skip
        """Begin behind `first_step` done steps: later lines, which will be written again, are dropped."""
        out.mkdir(parents=True, exist_ok=True)
        self.out, self.log_every = out, log_every
        if config is not None:
            about = json.dumps({"num_steps": num_steps, "config": dict(config)}, indent=1, default=str)
            (out / ABOUT).write_text(about + "\n", encoding="utf-8")
        seconds = cut_log(out, first_step)
        load_every = max(1, num_steps // MOST_LOADS)
        self._pool = Pool(num_steps=num_steps, meter=meter, load_every=load_every, seconds=seconds)
        self._sinks: list[Sink] = open_sinks(
            out, first_step=first_step, wandb_project=wandb_project, config=config or {}
        )  # fmt: skip
        if is_shown:
            self._sinks.append(Screen(num_steps=num_steps, first_step=first_step))

    def __call__(self, figures: StepFigures) -> None:
        """Count a step in; every `log_every` steps, and where held-out samples were looked at, a line is written."""
        self._pool.add(figures)
        was_looked_at = figures.eval_loss is not None or figures.held_out
        if figures.step % self.log_every == 0 or was_looked_at or figures.step == self._pool.num_steps:
            self._write()

    def close(self) -> None:
        """Write what is left and finish every file."""
        self._write()
        for sink in self._sinks:
            sink.close()
        self._sinks = []

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _write(self) -> None:
        line = self._pool.line()
        if line is None:
            return
        append_line(self.out, line)
        for sink in self._sinks:
            sink.write(line)
