"""vl2 quantize: store a model in 8 or 4 bits, and say how closely it follows the original."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vl2.cli.guard import Debug

if TYPE_CHECKING:
    from vl2.core.batch import Batch
    from vl2.core.sample import Sample


def quantize(
    model: Annotated[str, typer.Argument(help="pocket, a folder or a hub name.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="The new model folder.", show_default=False)],
    bits: Annotated[int, typer.Option(help="8 or 4, for the layers of the language model.")] = 8,
    group: Annotated[int, typer.Option(help="Columns that share a scale: 32, 64 or 128.")] = 64,
    vision_bits: Annotated[int, typer.Option(help="For the vision tower and the adaptor.")] = 8,
    embedding_bits: Annotated[int, typer.Option(help="For the table of embeddings.")] = 8,
    head_bits: Annotated[int, typer.Option(help="For the head; 4 is faster, and a little worse.")] = 8,
    calibrate: Annotated[
        Path | None, typer.Option(help="Weigh columns by use: pictures, shards (.tar) or samples (.jsonl).")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a comparison with the original here, as JSON.")] = None,
    compare_on: Annotated[Path | None, typer.Option(help="What --report compares on: shards or samples.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Most samples to calibrate on, and to compare on.")] = 128,
    debug: Debug = False,
) -> None:
    """Write a model with its weights in 8 or 4 bits; the folder is used like any other."""
    from vl2.core.errors import VL2Error
    from vl2.core.settings import build
    from vl2.model.config import QuantizationConfig
    from vl2.weights.quantize import quantize_checkpoint

    fields = {
        "bits": bits, "group": group, "vision_bits": vision_bits, "embedding_bits": embedding_bits,
        "head_bits": head_bits,
    }  # fmt: skip
    config = build(QuantizationConfig, fields, thing="quantisation")
    if (report is None) != (compare_on is None):
        raise VL2Error("--report", "goes with --compare-on", do="Give both or neither.")
    answered = _answered(report, compare_on, samples) if report is not None and compare_on is not None else []
    material = _material(model, calibrate, samples) if calibrate is not None else None
    quantize_checkpoint(model, out, config, material=material, progress=_show_progress)
    typer.echo(f"Written to {out}.", err=True)
    if report is not None:
        settings = {**fields, "calibrate": calibrate and str(calibrate), "compare_on": str(compare_on)}
        _report(model, out, report, answered, settings)


def _show_progress(key: str) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r\x1b[K{key}\r", err=True, nl=False)  # one line, which the next one replaces


def _material(model: str, path: Path, most: int) -> Batch:
    from vl2.engine.calibration import one_batch, read_samples
    from vl2.processor import Processor
    from vl2.weights import find_checkpoint

    return one_batch(read_samples(path, most), Processor.from_directory(find_checkpoint(model)))


def _answered(report: Path, path: Path, most: int) -> list[Sample]:
    """Return what to compare on. Raises VL2Error, before the work, when there is nothing or no place for the report."""
    from vl2.cli.picture_file import check_writable
    from vl2.core.errors import VL2Error
    from vl2.engine.calibration import read_samples

    check_writable(report, (".json",))
    samples = read_samples(path, most)
    if not any(sample.messages[-1].parts for sample in samples):
        raise VL2Error(str(path), "holds no answers", do="Compare on samples with answers, not on pictures.")
    return samples


def _report(model: str, out: Path, report: Path, samples: list[Sample], settings: dict[str, Any]) -> None:
    import json
    from dataclasses import asdict

    from vl2.cli.picture_file import write_file
    from vl2.engine.calibration import batches
    from vl2.evaluation.fidelity import compare_models
    from vl2.processor import Processor
    from vl2.weights import load_model
    from vl2.weights.streamed import streamed_model

    processor = Processor.from_directory(out)
    material = batches(samples, processor)
    with streamed_model(model) as original:
        found = compare_models(original.model, load_model(out), material, processor.tokenizer)
    record = {"model": model, **settings, **asdict(found)}
    write_file(report, (json.dumps(record, indent=2) + "\n").encode())
    text = found.text
    typer.echo(f"Same next token {text.same:.2%}, divergence {text.kl:.5f} nats, {text.num_tokens} tokens of text.")
