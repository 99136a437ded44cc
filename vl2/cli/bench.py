"""vl2 bench: how fast this machine runs the model, beside its limits and other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from vl2.cli import show
from vl2.cli.guard import Debug
from vl2.cli.picture_file import check_writable, write_file
from vl2.core.errors import VL2Error

Peer = Annotated[str | None, typer.Option(help="PYTHON:GGUF_DIR, a Python with llama_cpp and its files.")]


def bench(
    preset: Annotated[Literal["tiny", "pocket"], typer.Option(help="Shape of the random weights.")] = "tiny",
    model: Annotated[Path | None, typer.Option(help="Measure this model folder instead.")] = None,
    precisions: Annotated[str, typer.Option(help="Such as bf16,int8,int4; all of them unless given.")] = "",
    threads: Annotated[int, typer.Option(help="Cores that work at once.")] = 2,
    context: Annotated[str, typer.Option(help="Tokens of the prompts, and behind which is decoded.")] = "700,1500",
    batch: Annotated[str, typer.Option(help="Sequences that are decoded side by side.")] = "1,4,8,16",
    tiles: Annotated[str, typer.Option(help="Tiles that the vision tower sees at once; empty leaves it out.")] = "1,10",
    rounds: Annotated[int, typer.Option(help="Samples of each figure.")] = 5,
    tokens: Annotated[int, typer.Option(help="Tokens decoded a sample.")] = 32,
    read_gb: Annotated[float, typer.Option(help="Gigabytes read to measure the memory.")] = 2.003,
    group: Annotated[
        int | None, typer.Option(help="Columns of int8 and int4 that share a scale: 32, 64 or 128; 64 unless given.")
    ] = None,
    cache_dtype: Annotated[Literal["int8"] | None, typer.Option(help="Of the cache.")] = None,
    peer: Peer = None,
    baseline: Annotated[bool, typer.Option("--baseline", help="Measure plain PyTorch code in turns.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write every sample here, as JSON, precision by precision.")] = None,
    png: Annotated[Path | None, typer.Option(help="Draw the figures here: .png.")] = None,
    debug: Debug = False,
) -> None:
    """Measure this machine: memory, vision, prefill and decoding, against other programs in turns."""
    for path, ending in ((out, ".json"), (png, ".png")):
        if path is not None:
            check_writable(path, (ending,))
    for name, value in (("threads", threads), ("rounds", rounds), ("tokens", tokens)):
        if value < 1:
            raise VL2Error(name, "must be positive", got=value)
    python, folder = _peer(peer)

    from vl2.cli.bench_contender import DEFAULT_PRECISIONS
    from vl2.cli.bench_report import remarks, to_dict, to_png, to_table
    from vl2.cli.bench_run import BenchSettings, Results, run_bench

    settings = BenchSettings(
        preset=preset, folder=model, precisions=tuple(filter(None, precisions.split(","))) or DEFAULT_PRECISIONS,
        threads=threads, contexts=_numbers("context", context), batches=_numbers("batch", batch),
        tiles=_numbers("tiles", tiles, may_be_empty=True), rounds=rounds, tokens=tokens,
        read_bytes=round(read_gb * 1e9), peer_python=python, peer_folder=folder, has_baseline=baseline,
        cache_dtype=cache_dtype, group=group,
    )  # fmt: skip

    def keep(results: Results) -> None:
        if out is not None:
            write_file(out, (json.dumps(to_dict(results), indent=1) + "\n").encode())

    results = run_bench(settings, say=lambda line: typer.echo(line, err=True), keep=keep)
    show.show_table(to_table(results))
    for line in remarks(results):
        typer.echo(line)
    if png is not None:
        write_file(png, to_png(results))


def _numbers(name: str, text: str, *, may_be_empty: bool = False) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isdecimal() and int(word) > 0 for word in words) or not (words or may_be_empty):
        raise VL2Error(name, "must be positive numbers with commas between", got=text or "nothing")
    return tuple(map(int, words))


def _peer(text: str | None) -> tuple[str | None, Path | None]:
    """Split PYTHON:GGUF_DIR."""
    if text is None:
        return None, None
    python, _, folder = text.rpartition(":")
    for path, is_there in ((python, Path(python).is_file()), (folder, Path(folder).is_dir())):
        if not path or not is_there:
            raise VL2Error("peer", "names what is not there", got=path or text, expected="PYTHON:GGUF_DIR")
    return python, Path(folder)
