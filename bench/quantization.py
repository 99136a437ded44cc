"""Measure what quantising a model costs: the same next token, divergence, and pocketbench, by setting.

Writes each setting into a temporary folder, calibrated on training pictures where it says so, and compares it with the
original on held-out ones: token by token along the true answers, in float32, where nothing but the weights differs; and
by pocketbench, as the engine runs it. The first row is the original in its stored type: rounded activations alone.
Usage, after `vl2 corpus draw`: `python bench/quantization.py [--questions 300] [--only "int4" --out part.json]`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from vl2.core.batch import Batch
from vl2.engine.calibration import batches, one_batch, read_samples
from vl2.evaluation.fidelity import compare_models
from vl2.evaluation.pocketbench import ask_all, held_out, summarise
from vl2.kernels.quantized import dequantize
from vl2.model import VL2
from vl2.model.config import QuantizationConfig
from vl2.processor import Processor
from vl2.weights import find_checkpoint, load_model
from vl2.weights.pack import pack_model
from vl2.weights.quantize import quantize_checkpoint
from vl2.weights.quantized_model import quantized_weights

ALL_SETTINGS = Path("bench/results/quantization.json")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One way to quantise."""

    name: str
    config: QuantizationConfig
    is_calibrated: bool = False


def _settings() -> Iterator[Setting]:
    for group in (32, 64, 128):
        yield Setting(name=f"int8 group {group}", config=QuantizationConfig(bits=8, group=group))
    for group in (32, 64, 128):
        for head_bits in (8, 4):
            for is_calibrated in (False, True):
                config = QuantizationConfig(bits=4, group=group, head_bits=head_bits)
                name = f"int4 group {group}, head int{head_bits}" + (", calibrated" if is_calibrated else "")
                yield Setting(name=name, config=config, is_calibrated=is_calibrated)
    config = QuantizationConfig(bits=4, group=32, vision_bits=4, head_bits=8)
    yield Setting(name="int4 group 32, vision too, calibrated", config=config, is_calibrated=True)


class Bench:
    """The original and what it is compared on."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.folder = find_checkpoint(arguments.model)
        self.processor = Processor.from_directory(self.folder)
        self.material: Batch = one_batch(read_samples(arguments.train, arguments.samples), self.processor)
        compared = held_out(arguments.heldout, limit=arguments.compared)
        self.compared = list(batches(compared, self.processor))
        self.questions = list(held_out(arguments.heldout, limit=arguments.questions)) if arguments.questions else []
        self.original = load_model(self.folder, dtype=torch.float32)

    def measure(self, setting: Setting) -> dict[str, Any]:
        """Quantise, compare, ask."""
        with tempfile.TemporaryDirectory() as folder:
            start = time.monotonic()
            material = self.material if setting.is_calibrated else None
            written = quantize_checkpoint(self.folder, Path(folder) / "model", setting.config, material=material)
            seconds = time.monotonic() - start
            size = sum(file.stat().st_size for file in written.glob("*.safetensors"))
            found = self.compare(self._plain(written)) | self.ask(written)
        return {"name": setting.name, "bytes": size, "quantize_s": round(seconds, 1), **found}

    def compare(self, model: VL2) -> dict[str, Any]:
        """Return the fidelity of a model."""
        return asdict(compare_models(self.original, model, self.compared, self.processor.tokenizer))

    def ask(self, folder: Path) -> dict[str, dict[str, float]]:
        """Return the score of each kind of question, and of each task, the word before the dot."""
        if not self.questions:
            return {}
        outcomes = list(ask_all(pack_model(load_model(folder)), self.processor, self.questions))
        tasks = [replace(outcome, kind=outcome.kind.split(".")[0]) for outcome in outcomes]
        kinds, grouped = ({one.kind: one.score for one in summarise(some)} for some in (outcomes, tasks))
        return {"kinds": kinds, "tasks": grouped}

    def _plain(self, folder: Path) -> VL2:
        """Return the original with the weights of the quantised model: the same numbers, sooner."""
        plain = load_model(self.folder, dtype=torch.float32)
        for name, weight in quantized_weights(load_model(folder)).items():
            plain.get_parameter(name).data.copy_(dequantize(weight.tensor))
        return plain


def main() -> None:
    """Measure all settings and write a line for each as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--train", type=Path, default=Path("runs/pocket/data"), help="what calibration sees")
    parser.add_argument("--heldout", type=Path, default=Path("runs/pocket/heldout"))
    parser.add_argument("--samples", type=int, default=360, help="most samples of calibration")
    parser.add_argument("--compared", type=int, default=40, help="answers a kind that are compared token by token")
    parser.add_argument("--questions", type=int, default=0, help="questions a kind of pocketbench; 0 asks none")
    parser.add_argument("--only", default="", help="only settings whose name begins so")
    parser.add_argument("--out", type=Path, default=ALL_SETTINGS)
    arguments = parser.parse_args()
    if arguments.only and arguments.out == ALL_SETTINGS:
        parser.error(f"--only measures a part: name another --out, {ALL_SETTINGS} has all settings")
    bench = Bench(arguments)
    rows = [{"name": "original", **bench.compare(load_model(bench.folder)), **bench.ask(bench.folder)}]
    show(rows[0], rows[0])
    for setting in _settings():
        if setting.name.startswith(arguments.only):
            rows.append(bench.measure(setting))
            show(rows[-1], rows[0])
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def show(row: dict[str, Any], original: dict[str, Any]) -> None:
    """Print one setting: agreement and divergence, and the largest changes of a task's score in points."""
    line = f"{row['name']:42}"
    for part in ("text", "boxes"):
        if row[part]:  # None where the answers have none
            line += f" {part} {row[part]['same']:.2%} {row[part]['kl']:.5f} "
    for part in ("tasks", "kinds"):
        if part in row:
            change = {name: 100 * (score - original[part][name]) for name, score in row[part].items()}
            low, high = min(change, key=lambda name: change[name]), max(change, key=lambda name: change[name])
            mean = sum(change.values()) / len(change)
            line += f"\n  {part}: {mean:+.2f} points, from {low} {change[low]:+.2f} to {high} {change[high]:+.2f}"
    print(line, flush=True)


if __name__ == "__main__":
    main()
