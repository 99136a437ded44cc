"""Compare recorded directories: `python -m vl2.evaluation.parity DIRECTORY..`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from vl2.core.errors import VL2Error
from vl2.evaluation.parity.run import run_parity


def main() -> int:
    """Print a table for each directory; return 0 when all are equal, 1 when not, 2 when one cannot be read."""
    parser = argparse.ArgumentParser(prog="vl2.evaluation.parity", description=__doc__)
    parser.add_argument("directories", nargs="+", type=Path)
    parser.add_argument("--json", type=Path, help="write the reports here too")
    arguments = parser.parse_args()
    try:
        reports = [run_parity(directory) for directory in arguments.directories]
    except VL2Error as error:
        print(error, file=sys.stderr)
        return 2
    console = Console()
    for report in reports:
        console.print(report.table())
    if arguments.json is not None:
        records = [report.to_dict() for report in reports]
        arguments.json.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")
    return 0 if all(report.is_ok for report in reports) else 1


if __name__ == "__main__":
    raise SystemExit(main())
