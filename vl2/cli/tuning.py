"""What the tunings of `vl2 train` share: settings from a file and options, lines while one runs, where its best is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from vl2.train.tuning.tuner import Tuner

T = TypeVar("T")

Model = Annotated[str | None, typer.Option(help="pocket, a folder or a hub name.")]
Out = Annotated[str | None, typer.Option("--out", "-o", help="The folder of this run.")]
Bits = Annotated[int | None, typer.Option(help="Keep the frozen weights in 8 or 4 bits.")]
EvalData = Annotated[list[str] | None, typer.Option(help="Samples to look at; else a tenth of the data.")]
Epochs = Annotated[float | None, typer.Option(help="How often each sample is seen.")]
Samples = Annotated[list[str] | None, typer.Option(help="Samples: a file or a folder; see docs/training.md.")]
Rate = Annotated[float | None, typer.Option(help="The learning rate.")]
Config = Annotated[Path | None, typer.Option(help="YAML with any of the settings by name.")]


def settings(
    cls: type[T], config: Path | None, defaults: dict[str, Any], options: dict[str, Any], assignments: list[str] | None
) -> T:
    """Return the settings of a run: those of a file or the defaults, then the options given, then `--set`."""
    from vl2.core.settings import build, load_yaml, override

    values = load_yaml(config) if config is not None else {"data": (), **defaults}
    values |= {name: value for name, value in options.items() if value is not None}
    return build(cls, override(values, assignments or []), thing="settings")


def run_tuner(tuner: Tuner) -> None:
    """Run a tuning and say where its best is."""
    best = tuner.run(is_shown=True)
    for reason, number in tuner.lesson.skipped.items():
        typer.echo(f"{number} times a sample was left out: {reason}.", err=True)
    typer.echo(f"The best is that of step {tuner.standing.best_step}: {best}", err=True)
    flags = f"--model {tuner.config.model} --adapter {best}" if tuner.config.rank else f"--model {best}"
    typer.echo(f'vl2 ask IMAGE "QUESTION" {flags}', err=True)
