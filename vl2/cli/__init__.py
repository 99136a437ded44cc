"""The command line: one thin file a verb. Torch is imported by the verbs, not here, so that --help answers at once."""

from __future__ import annotations

from typing import Annotated

import typer

import vl2
from vl2.cli import (
    bench,
    chat,
    convert,
    corpus,
    evaluation,
    inspection,
    models,
    plan,
    plan_training,
    quantize,
    serve,
    train_report,
    training,
    verbs,
)
from vl2.cli.guard import EXIT_CODES, GuardedGroup
from vl2.cli.options import with_run_options

app = typer.Typer(
    cls=GuardedGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, epilog=EXIT_CODES
)

for verb in (verbs.ask, chat.chat, verbs.detect, verbs.point, verbs.caption, verbs.read):
    app.command(epilog=EXIT_CODES)(with_run_options(verb))
app.command(epilog=EXIT_CODES)(models.models)
for verb in (convert.convert, training.merge):
    app.command(epilog=EXIT_CODES)(verb)
training.app.command()(train_report.report)
app.add_typer(training.app, name="train")
app.add_typer(corpus.app, name="corpus")
app.add_typer(inspection.app, name="inspect")
app.add_typer(evaluation.app, name="eval")
app.command(epilog=EXIT_CODES)(quantize.quantize)
app.command(epilog=EXIT_CODES)(bench.bench)
app.command(epilog=EXIT_CODES)(plan.plan)
app.command(epilog=EXIT_CODES)(plan_training.plan_training)
app.command(epilog=EXIT_CODES)(serve.serve)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"vl2 {vl2.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Ask, read and find things in images with DeepSeek-VL2. The answer goes to stdout, statistics to stderr."""


def main() -> None:
    """Run the command line."""
    app(prog_name="vl2")
