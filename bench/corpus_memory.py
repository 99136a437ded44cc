"""Measure the memory of a corpus run: the peak of the process that starts it and of its workers, by number of rows.

Rows are short texts, a tenth of them near copies; they are measured, judged against all others and written. Usage:
`python -m bench.corpus_memory [--rows 10000 100000 1000000]`.
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
from pathlib import Path

from tests.corpus.dedup.planted import vocabulary

WORDS, COPIES = 24, 10  # of a text; every tenth row is nearly the one before
WORKERS = 2
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


def main() -> None:
    """Print a line for each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--format", default="webdataset")
    parser.add_argument("--executor", default="local", choices=("local", "ray"))
    arguments = parser.parse_args()
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
