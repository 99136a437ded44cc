"""Run the toy benchmark with pocket: `python -m tests.evaluation.runner.toy_run ROWS OUT RUNNING`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

import vl2
from tests.evaluation.runner import toy
from vl2.evaluation.answerers.engine import EngineAnswerer, identity_of
from vl2.evaluation.runner import run_job
from vl2.weights import find_checkpoint


def main() -> None:
    rows, out, max_running = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    assistant = vl2.load()
    answerer = EngineAnswerer(
        assistant, identity_of(assistant, "pocket", find_checkpoint("pocket")), max_running=max_running
    )
    print("ready", flush=True)
    run_job(toy.job(rows), answerer, out)
    answerer.close()


if __name__ == "__main__":
    main()
