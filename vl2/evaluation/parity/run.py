"""Hold our outputs against a recorded reference directory, stage by stage."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from vl2.core.batch import Batch
from vl2.core.settings import load_json
from vl2.evaluation.parity.compare import Comparison, StageResult
from vl2.evaluation.parity.generation import compare_generation
from vl2.evaluation.parity.gradients import compare_gradients
from vl2.evaluation.parity.inputs import compare_inputs, read_rows
from vl2.evaluation.parity.recording import Case, Recording
from vl2.evaluation.parity.report import ParityReport
from vl2.evaluation.parity.stages import compare_stages
from vl2.evaluation.parity.trace import trace
from vl2.model import VL2
from vl2.processor import Processor
from vl2.weights import load_model

DEFAULT_AUX_ALPHA = 0.001  # the official class default; our own config does not carry it
ATTENTION_CLASSES = {True: "DeepseekV2Attention", False: "LlamaAttention"}


def run_parity(directory: str | Path) -> ParityReport:
    """Compare every recorded stage of a directory with checkpoint/, expected.json and expected.safetensors.

    Raises VL2Error when the directory cannot be read.
    """
    start = time.monotonic()
    recording = Recording.read(directory)
    model = load_model(recording.checkpoint, dtype=torch.float32)
    processor = Processor.from_directory(recording.checkpoint, exif=False)  # the reference ignores orientation
    language = load_json(recording.checkpoint / "config.json").get("language_config", {})
    whole = Comparison("all")
    _compare_top(recording, model, processor, whole)
    results = list(whole.results)
    for case in recording.cases:
        results += _run_case(case, recording, model, processor, language.get("aux_loss_alpha", DEFAULT_AUX_ALPHA))
    informational, forgotten = _account(recording)
    return ParityReport(
        name=recording.directory.name,
        results=tuple(results),
        informational=informational,
        forgotten=forgotten,
        seconds=time.monotonic() - start,
    )


def _run_case(
    case: Case, recording: Recording, model: VL2, processor: Processor, aux_alpha: float
) -> list[StageResult]:
    out = Comparison(case.name)
    rows = read_rows(case, recording, processor)
    compare_inputs(case, rows, recording, processor, out)
    found = trace(model, Batch.from_inputs([[row] for row in rows], processor.pad_id))
    compare_stages(case, found, rows, out)
    if len(rows) == 1:
        compare_gradients(case, found, rows[0], model, aux_alpha, out)
    del found  # the graph of a long prompt is large
    compare_generation(case, rows, model, processor, out)
    return out.results


def _compare_top(recording: Recording, model: VL2, processor: Processor, out: Comparison) -> None:
    tokenizer = processor.tokenizer
    theirs = recording.top.take("tokenizer")
    if theirs is not None:
        named = {"len": len(tokenizer), "bos": tokenizer.bos_id, "eos": tokenizer.eos_id, "pad": tokenizer.pad_id}
        ours = {name: named[name] if name in named else tokenizer.id_of(name) for name in theirs}
        out.exact("tokenizer", list(ours.values()), list(theirs.values()))
    attention = recording.top.take("attn_class")
    if attention is not None:
        out.exact("attention class", ATTENTION_CLASSES[model.config.language_config.use_mla], attention)


def _account(recording: Recording) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of informational and of forgotten entries."""
    known, unknown = recording.top.split()
    informational, forgotten = ({".".join(path) for path in paths} for paths in (known, unknown))
    for case in recording.cases:
        for_the_reader, left_out = case.split()
        informational |= for_the_reader
        forgotten |= left_out
    return tuple(sorted(informational)), tuple(sorted(forgotten))
