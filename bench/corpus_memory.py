"""Measure the memory of a corpus run: the peak of the process that starts it and of its workers, by number of rows.

Rows are short texts, a tenth of them near copies; they are measured, judged against all others and written. Usage:
`python -m bench.corpus_memory [--rows 10000 100000 1000000]`. With `--report` rows of a finished run are looked at
instead: by `vl2 corpus report`, and by the index of `vl2 corpus view`.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tests.corpus.dedup.planted import vocabulary
from vl2.core.sample import Message, Sample, TextPart
from vl2.corpus.block import shard_name
from vl2.corpus.manifest import RECEIPTS, Receipt, write_manifest, write_receipt, write_whole
from vl2.corpus.recipe import Recipe
from vl2.corpus.run import PIN
from vl2.corpus.source import Source
from vl2.corpus.tar import pack

WORDS, COPIES = 24, 10  # of a text; every tenth row is nearly the one before
WORKERS = 2
BLOCK_ROWS, NUM_FIELDS = 500, 24  # of a run that is looked at, and of the quality of its rows
RECIPE = """
out: {folder}/run
block_rows: 500
sources: [{{name: texts, path: {folder}/texts.jsonl, licence: MIT}}]
steps:
  - {{use: exact}}
  - {{use: length}}
  - {{use: decide, least: {{length.answer_characters: 1}}}}
  - {{use: near_texts}}
write: [{format}]
"""
REPORT = """
import sys, pathlib
from vl2.corpus.report import write_report
folder = pathlib.Path(sys.argv[1])
write_report([folder], folder / "report.html", 8)
"""
VIEW = """
import sys, pathlib
from vl2.corpus.view.site import open_site
(index,) = open_site(pathlib.Path(sys.argv[1])).runs.values()
for place in range(len(index.numbers)):
    index.part(place)
print(index.num_bytes)
"""


def main() -> None:
    """Print a line for each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--format", default="webdataset")
    parser.add_argument("--executor", default="local", choices=("local", "ray"))
    parser.add_argument("--report", action="store_true", help="measure report and view")
    arguments = parser.parse_args()
    if arguments.report:
        report(arguments.rows)
        return
    print("     rows   parent   worker   (largest resident, MB)   kept   seconds")
    for number in arguments.rows:
        with tempfile.TemporaryDirectory() as folder:
            print(measure(Path(folder), number, arguments.format, arguments.executor), flush=True)


def measure(folder: Path, number: int, name: str, executor: str) -> str:
    """Run the recipe over so many rows; return a line of the table."""
    with (folder / "texts.jsonl").open("w", encoding="utf-8") as out:
        out.writelines(lines(number))
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(folder=folder, format=name), encoding="utf-8")
    told = ["corpus", "run", str(recipe), "--workers", str(WORKERS), "--executor", executor]
    began = time.monotonic()
    run = subprocess.Popen([sys.executable, "-c", "from vl2.cli import main; main()", *told], stderr=subprocess.PIPE)
    peaks: dict[int, int] = {}
    while run.poll() is None:
        for process in (run.pid, *children(run.pid)):
            peaks[process] = max(peak_of(process), peaks.get(process, 0))
        time.sleep(0.5)
    if run.returncode:
        raise SystemExit(run.stderr.read().decode() if run.stderr else "failed")
    parent = peaks.pop(run.pid)
    receipts = map(json.loads, (folder / "run" / name / "manifest.jsonl").open(encoding="utf-8"))
    kept = sum(receipt["num_kept"] for receipt in receipts)
    worker = max(peaks.values(), default=0)
    return f"{number:9,} {parent / 1024:8.0f} {worker / 1024:8.0f} {kept:31,} {time.monotonic() - began:9.0f}"


def report(numbers: list[int]) -> None:
    """Print a line for each number of rows that are looked at."""
    print("     rows   report     view   (largest resident, MB)   index, bytes   seconds: report   view")
    for number in numbers:
        with tempfile.TemporaryDirectory() as folder:
            store(Path(folder), number)
            found = [peak_while(program, folder) for program in (REPORT, VIEW)]
        (one, one_s, _), (two, two_s, said) = found
        print(
            f"{number:9,} {one / 1024:8.0f} {two / 1024:8.0f} {said.strip():>39} {one_s:17.0f} {two_s:6.0f}", flush=True
        )


def store(folder: Path, number: int) -> None:
    """Write so many rows as a run leaves them."""
    rng = random.Random(0)
    stage = folder / "stage-0"
    (stage / RECEIPTS).mkdir(parents=True)
    recipe = Recipe(out=str(folder), sources=(Source(name="texts", path="texts.jsonl"),), write=())
    write_whole(folder / PIN, json.dumps({"recipe": asdict(recipe)}).encode())
    starts = range(0, number, BLOCK_ROWS)
    for block, start in enumerate(starts):
        rows = [stored_row(row, rng) for row in range(start, min(start + BLOCK_ROWS, number))]
        (stage / shard_name(block)).write_bytes(pack(rows))
        kept = sum(not row.decision for row in rows)
        write_receipt(stage, Receipt(block=block, num_rows=len(rows), num_kept=kept, files=(), skipped={}))
    write_manifest(stage, len(starts))


def stored_row(number: int, rng: random.Random) -> Sample:
    """Return a measured row; every tenth is rejected."""
    rejected = {"keep": False, "step": "decide", "reason": f"field.{number % 7} above 0.9"}
    quality = {f"field.{field}": rng.random() for field in range(NUM_FIELDS)}
    turns = (Message("user", (TextPart("Say it."),)), Message("assistant", (TextPart(f"It is number {number}."),)))
    return Sample(
        f"{number:032x}", turns, provenance={"source": "texts", "licence": "MIT", "source_id": str(number)},
        quality={**quality, "language.en": 1.0, "tokens.all": 20.0}, decision=rejected if number % COPIES == 0 else {},
    )  # fmt: skip


def peak_while(program: str, folder: str) -> tuple[int, float, str]:
    """Run a program of Python; return its peak in KiB, the seconds, and what it printed."""
    began = time.monotonic()
    run = subprocess.Popen([sys.executable, "-c", program, folder], stdout=subprocess.PIPE, text=True)
    peak = 0
    while run.poll() is None:
        peak = max(peak, peak_of(run.pid))
        time.sleep(0.2)
    if run.returncode or run.stdout is None:
        raise SystemExit("failed")
    return peak, time.monotonic() - began, run.stdout.read()


def lines(number: int) -> Iterator[str]:
    """Yield rows in LLaVA's form."""
    rng = random.Random(0)
    words = vocabulary(rng)
    text: list[str] = []
    for row in range(number):
        text = [*text[:-1], "changed"] if row % COPIES == COPIES - 1 else rng.choices(words, k=WORDS)
        said = [{"from": "human", "value": "Say it."}, {"from": "gpt", "value": " ".join(text)}]
        yield json.dumps({"id": str(row), "conversations": said}) + "\n"


def children(process: int) -> list[int]:
    """Return the processes below one."""
    try:
        found = [int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []
    return [one for child in found for one in (child, *children(child))]


def peak_of(process: int) -> int:
    """Return the largest resident memory that a process had, in KiB."""
    try:
        told = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in told.splitlines() if line.startswith("VmHWM")]
    return int(found[0]) if found else 0


if __name__ == "__main__":
    main()
