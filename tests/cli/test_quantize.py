"""The verb that quantises: a folder, a report, and refusals in one line."""

import json
from pathlib import Path

import pytest

from tests.cli.running import only_line, run
from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, ImagePart, ImageSource, Message, Sample, TextPart, sample_to_dict
from vl2.weights import load_model
from vl2.weights.quantized_model import quantized_weights


@pytest.fixture
def records(tmp_path: Path, image: str) -> Path:
    """Return a file of samples beside their picture."""
    (tmp_path / "picture.png").write_bytes(Path(image).read_bytes())
    answers = ((TextPart("two words"),), (TextPart("here "), BoxesPart("word", (Box(1, 2, 30, 40),))))
    samples = [
        Sample(
            id=str(number),
            messages=(Message("user", (ImagePart(), TextPart("What?"))), Message("assistant", parts)),
            images=(ImageSource(path="picture.png"),),
        )
        for number, parts in enumerate(answers)
    ]
    path = tmp_path / "samples.jsonl"
    path.write_text("".join(json.dumps(sample_to_dict(sample)) + "\n" for sample in samples), encoding="utf-8")
    return path


def test_a_model_is_quantised_and_compared(folder: Path, records: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "int4", tmp_path / "report.json"
    words = ("quantize", folder, "-o", out, "--bits", 4, "--group", 32, "--calibrate", records)
    result = run(*words, "--report", report, "--compare-on", records)
    assert (result.exit_code, result.stdout.startswith("Same next token")) == (0, True), result.stderr
    record = json.loads(report.read_text(encoding="utf-8"))
    assert (record["bits"], record["head_bits"], record["calibrate"]) == (4, 8, str(records))
    assert record["text"]["num_tokens"] > 2
    assert record["boxes"]["num_tokens"] > 4
    assert quantized_weights(load_model(out))
    asked = run("ask", str(records.parent / "picture.png"), "What?", "--model", out, "--max-new-tokens", 2)
    assert asked.exit_code == 0


def test_pictures_calibrate_too(folder: Path, image: str, tmp_path: Path) -> None:
    words = ("quantize", folder, "-o", tmp_path / "x", "--bits", 4, "--samples", 2)
    assert run(*words, "--calibrate", Path(image).parent).exit_code == 0
    assert run(*words[:2], "-o", tmp_path / "y", *words[4:], "--calibrate", image).exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--bits", 3), "bits"),
        (("--group", 48), "group"),
        (("--report", "x.json"), "--compare-on"),
        (("--calibrate", "nowhere"), "nowhere"),
        (("--calibrate", "/dev/null"), "/dev/null"),
        (("--samples", 0), "--samples"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    folder: Path, tmp_path: Path, words: tuple[object, ...], said: str
) -> None:
    result = run("quantize", folder, "-o", tmp_path / "x", *words)
    assert (result.exit_code, said in only_line(result)) == (2, True), result.stderr
    assert not list(tmp_path.iterdir())


def test_a_report_that_cannot_be_made_is_refused_before_the_work(
    folder: Path, records: Path, image: str, tmp_path: Path
) -> None:
    words = ("quantize", folder, "-o", tmp_path / "x")
    for report, compared, said in (
        (tmp_path / "no" / "report.json", records, "no such folder"),
        (tmp_path / "report.json", tmp_path / "nowhere.jsonl", "nowhere.jsonl"),
        (tmp_path / "report.json", Path(image), "holds no answers"),
    ):
        result = run(*words, "--report", report, "--compare-on", compared)
        assert (result.exit_code, said in only_line(result)) == (2, True), result.stderr
        assert not (tmp_path / "x").exists()


def test_a_broken_record_is_named(folder: Path, records: Path, tmp_path: Path) -> None:
    records.write_text(records.read_text(encoding="utf-8") + "{}\n", encoding="utf-8")
    result = run("quantize", folder, "-o", tmp_path / "x", "--bits", 4, "--calibrate", records)
    assert (result.exit_code, f"{records}: row 3" in only_line(result)) == (2, True), result.stderr
