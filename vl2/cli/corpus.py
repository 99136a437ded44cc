"""vl2 corpus: draw pictures, build a corpus of records, check it, show what became of the rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vl2.cli import corpus_view
from vl2.cli.guard import CHECK_FAILED, EXIT_CODES, Assignments, Debug
from vl2.core.errors import ConfigError

if TYPE_CHECKING:
    from vl2.corpus.run import Progress

ExecutorName = Literal["local", "ray"]

app = typer.Typer(no_args_is_help=True, help="Build data to train on.", epilog=EXIT_CODES)
app.command(epilog=EXIT_CODES)(corpus_view.report)
app.command(epilog=EXIT_CODES)(corpus_view.view)


@app.command(epilog=EXIT_CODES)
def draw(
    recipe: Annotated[Path, typer.Argument(help="A recipe of pictures, such as recipes/pocket/corpus.yaml.")],
    set_: Assignments = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that draw.")] = 2,
    debug: Debug = False,
) -> None:
    """Draw the pictures that pocket learns from and is measured on."""
    from vl2.corpus.pocket.build import build_corpus

    typer.echo(f"Written to {build_corpus(recipe, set_ or [], workers)}.", err=True)


@app.command(epilog=EXIT_CODES)
def run(
    recipe: Annotated[Path, typer.Argument(help="A corpus recipe (sources, steps, formats), or a folder of them.")],
    set_: Assignments = None,
    workers: Annotated[int, typer.Option(min=1, help="Blocks of rows that are worked on at a time.")] = 2,
    executor: Annotated[ExecutorName, typer.Option(help="Processes of this machine, or a Ray cluster.")] = "local",
    ray_address: Annotated[str | None, typer.Option(help="A cluster to join; else one is started here.")] = None,
    debug: Debug = False,
) -> None:
    """Take records through the steps of a recipe and write them; a run that was stopped goes on where it was.

    The recipes of a folder run in the order in which they read each other's output.
    """
    from vl2.corpus.run_all import load_all, run_all
    from vl2.corpus.run_local import LocalExecutor
    from vl2.corpus.run_ray import RayExecutor

    loaded = load_all(recipe, set_)
    if ray_address is not None and executor != "ray":
        raise ConfigError("--ray-address", "is of the other executor", do="Add --executor ray.")
    with RayExecutor(workers, ray_address) if executor == "ray" else LocalExecutor(workers) as workplace:
        outs = " ".join(map(str, run_all(loaded, workplace, _show)))
    typer.echo(f"Written to {outs}. What became of the rows: vl2 corpus report {outs}", err=True)


@app.command(epilog=EXIT_CODES)
def sources(debug: Debug = False) -> None:
    """List the published sets that can be read, with their licences and where they are from."""
    from vl2.corpus.sources.table import SOURCES

    width = max(map(len, SOURCES))
    for name, kind in SOURCES.items():
        typer.echo(f"{name:{width}}  {kind.licence}  {kind.url}".rstrip())


@app.command(epilog=EXIT_CODES)
def check_source(
    format_: Annotated[str, typer.Argument(metavar="FORMAT", help="A name that `vl2 corpus sources` lists.")],
    path: Annotated[str, typer.Argument(help="Its file, folder, pattern or archive.")],
    images: Annotated[str | None, typer.Option(help="Where its images lie; a folder or a zip archive.")] = None,
    split: Annotated[str, typer.Option(help="The split that is wanted, where rows tell theirs.")] = "train",
    debug: Debug = False,
) -> None:
    """Look at every row of a published set: how many can be used, images that miss, fields that drifted, licences."""
    from vl2.corpus.source import Source
    from vl2.corpus.sources.check import check_source as look

    found = look(Source(name=format_, format=format_, path=path, images=images, split=split))
    typer.echo(f"{found.num_rows:,} rows, {found.num_usable:,} usable")
    typer.echo(f"{found.num_images:,} images, {found.num_missing:,} missing, {found.num_unknown:,} of no known format")
    lists = {"skipped": found.skipped, "missing field": found.missing_fields, "unknown field": found.unknown_fields,
             "changed field": found.changed_fields, "licence": found.licences}  # fmt: skip
    for title, counts in lists.items():
        for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            typer.echo(f"{title}: {name}: {count:,}")
    raise typer.Exit(0 if found.is_sound else CHECK_FAILED)


@app.command(epilog=EXIT_CODES)
def verify(
    folder: Annotated[Path, typer.Argument(metavar="SHARDS", help="A folder with a manifest, as RUN/webdataset.")],
    debug: Debug = False,
) -> None:
    """Compare the files of a manifest with their checksums."""
    from vl2.corpus.manifest import find_damaged

    damaged = find_damaged(folder)
    for name in damaged:
        typer.echo(f"{name} is missing, or is not what was written.")
    raise typer.Exit(CHECK_FAILED if damaged else 0)


@app.command(epilog=EXIT_CODES)
def costs(
    cache: Annotated[Path, typer.Argument(metavar="CACHE", help="The folder of replies that a service file names.")],
    debug: Debug = False,
) -> None:
    """Show what a teacher was asked and what it cost, by model and prompt."""
    from vl2.corpus.teacher.costs import to_table

    typer.echo(to_table(cache))


def _show(name: str, progress: Progress) -> None:
    line = (
        f"{name}, {progress.name}: {progress.num_done} of {progress.num_blocks} blocks, "
        f"{progress.rows_per_s:,.0f} rows/s, {progress.seconds_left:,.0f} s left"
    )
    is_last = progress.num_done == progress.num_blocks
    if sys.stderr.isatty():  # one line that changes; in a file, ten of each part
        typer.echo(f"\r{line}\x1b[K", nl=is_last, err=True)
    elif is_last or progress.num_done % max(1, progress.num_blocks // 10) == 0:
        typer.echo(line, err=True)
