"""A stand-in for the `vllm` program: takes its arguments, and lets our own server answer at the port asked for.

VL2_STAND_IN says how it behaves: "" serves, "break" ends at once, "hang" never listens. What it was told is written to
the file in VL2_STAND_IN_LOG.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from pathlib import Path

OPTIONS = (
    "host", "port", "served-model-name", "hf-overrides", "chat-template", "chat-template-content-format",
    "generation-config", "limit-mm-per-prompt", "max-num-seqs", "max-logprobs", "structured-outputs-config",
    "tensor-parallel-size", "pipeline-parallel-size", "max-model-len", "dtype",
)  # fmt: skip
FLAGS = ("no-trust-remote-code", "enable-prompt-tokens-details", "disable-uvicorn-access-log")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["serve"])
    parser.add_argument("model")
    for name in OPTIONS:
        parser.add_argument(f"--{name}")
    for name in FLAGS:
        parser.add_argument(f"--{name}", action="store_true")
    told = parser.parse_args()
    if log := os.environ.get("VL2_STAND_IN_LOG"):
        Path(log).write_text(json.dumps({"pid": os.getpid(), "key": os.environ["VLLM_API_KEY"], **vars(told)}))
    print("INFO loading weights", flush=True)
    match os.environ.get("VL2_STAND_IN", ""):
        case "break":
            print("RuntimeError: no GPU was found", file=sys.stderr, flush=True)
            raise SystemExit(3)
        case "hang":
            threading.Event().wait()
    environment = os.environ | {"VL2_API_KEY": os.environ["VLLM_API_KEY"]}
    call = "import sys; sys.argv[0] = 'vl2'; from vl2.cli import main; main()"
    command = [sys.executable, "-c", call, "serve", "pocket", "--host", str(told.host), "--port", str(told.port)]
    os.execve(sys.executable, command, environment)


if __name__ == "__main__":
    main()
