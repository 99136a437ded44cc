"""`torchrun --nproc-per-node N -m vl2.train RECIPE [name=value ...]`: one process of a run."""

from __future__ import annotations

import sys

from vl2.core.errors import VL2Error
from vl2.train.run import train


def main() -> int:
    """Train by the recipe on the command line; return the exit code."""
    if len(sys.argv) < 2:
        print("usage: python -m vl2.train RECIPE [name=value ...]", file=sys.stderr)
        return 2
    try:
        train(sys.argv[1], sys.argv[2:])
    except VL2Error as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
