"""Read a large table of images and say how much memory that took: python bench/tsv_memory.py [--gigabytes 2]."""

from __future__ import annotations

import argparse
import base64
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from vl2.evaluation.loaders import open_rows
from vl2.evaluation.tasks import TASKS

IMAGE_BYTES = 1_000_000
MEGA = 1 << 20


def main() -> int:
    """Write the table, read it, print rows, seconds and the peak of resident memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=2.0)
    gigabytes = parser.parse_args().gigabytes
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.tsv"
        write_table(path, int(gigabytes * (1 << 30)))
        began = time.perf_counter()
        num_rows = sum(1 for row in open_rows(TASKS["docvqa"], path) if row.images[0].data)
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{path.stat().st_size / MEGA:,.0f} MB, {num_rows} rows in {seconds:.1f} s, peak {peak:.0f} MB resident")
    return 0


def write_table(path: Path, num_bytes: int) -> None:
    """Write rows with an image each; every fifth shows the image of the row before."""
    with path.open("w", encoding="utf-8") as stream:
        stream.write("index\timage\tquestion\tanswer\n")
        number = 0
        while stream.tell() < num_bytes:
            own = number % 5 != 4
            cell = base64.b64encode(os.urandom(IMAGE_BYTES)).decode() if own else str(number - 1)
            stream.write(f"{number}\t{cell}\twhat is it?\t['a']\n")
            number += 1


if __name__ == "__main__":
    sys.exit(main())
