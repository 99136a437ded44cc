"""vLLM as a child process behind our API: how it is started, awaited and stopped. It needs a GPU."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import httpx

from vl2.core.errors import ConfigError, VL2Error
from vl2.serve.child import Child
from vl2.serve.upstream import Behind

TEMPLATE = Path(__file__).with_name("vllm_template.jinja")
ARCHITECTURE = "DeepseekVLV2ForCausalLM"  # the released config files name none that vLLM knows
KEY_VARIABLE, OUR_KEY_VARIABLE = "VLLM_API_KEY", "VL2_API_KEY"
MOST_LOGPROBS = 20  # that our API lets a request ask for
POLL_S, PROBE_S = 0.5, 5.0
NOT_TAKEN = ("--trust-remote-code", "--api-key", "--host", "--port", "--chat-template", "--served-model-name")


@dataclass(frozen=True, kw_only=True)
class VLLMOptions:
    """What vLLM is told. Raises ConfigError."""

    folder: Path
    name: str
    max_images: int
    max_running: int
    max_model_len: int | None = None
    dtype: str | None = None
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    vllm_arg: tuple[str, ...] = ()  # arguments of its own, as they stand

    def __post_init__(self) -> None:
        for name in ("tensor_parallel_size", "pipeline_parallel_size", "max_images", "max_running"):
            if getattr(self, name) < 1:
                raise ConfigError(name, "must be positive", got=getattr(self, name))
        for argument in self.vllm_arg:
            if argument.partition("=")[0] in NOT_TAKEN:
                raise ConfigError("vllm_arg", "is ours to give", got=argument, do="Leave it out.")


def command_line(options: VLLMOptions, executable: str, port: int) -> list[str]:
    """Return the command that serves the model on loopback."""
    optional = {"--max-model-len": options.max_model_len, "--dtype": options.dtype}
    values = {
        "--host": "127.0.0.1",
        "--port": port,
        "--served-model-name": options.name,
        "--hf-overrides": json.dumps({"architectures": [ARCHITECTURE]}),
        "--chat-template": TEMPLATE,
        "--chat-template-content-format": "openai",  # images stay where they stand in the text
        "--generation-config": "vllm",  # what a request leaves out is not filled in from a file
        "--limit-mm-per-prompt": json.dumps({"image": options.max_images}),
        "--max-num-seqs": options.max_running,
        "--max-logprobs": MOST_LOGPROBS,
        "--structured-outputs-config": json.dumps({"backend": "guidance"}),  # it knows marks as tokens
        "--tensor-parallel-size": options.tensor_parallel_size,
        "--pipeline-parallel-size": options.pipeline_parallel_size,
        **{name: value for name, value in optional.items() if value is not None},
    }
    flags = ["--no-trust-remote-code", "--enable-prompt-tokens-details", "--disable-uvicorn-access-log"]
    named = [word for name, value in values.items() for word in (name, str(value))]
    return [executable, "serve", str(options.folder), *named, *flags, *options.vllm_arg]


def find_vllm() -> str:
    """Return the vllm program, beside our Python or on the path. Raises VL2Error."""
    found = shutil.which("vllm", path=Path(sys.executable).parent) or shutil.which("vllm")
    if found is None:
        raise VL2Error("vllm", "is not installed", do="pip install vllm: it needs a GPU. Without one: --engine vl2.")
    return found


@contextmanager
def started(options: VLLMOptions, *, start_timeout_s: float) -> Iterator[tuple[Behind, Child]]:
    """Run vLLM until the block ends; it is ready when the block begins. Raises VL2Error."""
    command, port = find_vllm(), _free_port()
    key = secrets.token_urlsafe(32)  # nobody passes our limits by asking it directly
    environment = {name: value for name, value in os.environ.items() if name != OUR_KEY_VARIABLE}
    before = signal.signal(signal.SIGTERM, _leave)  # so that the child is stopped in every case
    child = Child("vllm", command_line(options, command, port), environment | {KEY_VARIABLE: key})
    try:
        _wait_ready(child, f"http://127.0.0.1:{port}/health", start_timeout_s)
        yield Behind(address=f"http://127.0.0.1:{port}/v1", model=options.name, key=key), child
    finally:
        child.stop()
        signal.signal(signal.SIGTERM, before)


def _wait_ready(child: Child, address: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    with httpx.Client(timeout=PROBE_S, trust_env=False) as client:
        while time.monotonic() < deadline:
            if not child.is_running:
                raise child.ended()
            try:
                if client.get(address).status_code == httpx.codes.OK:
                    return
            except httpx.HTTPError:
                pass  # it does not listen yet
            time.sleep(POLL_S)
    raise VL2Error(
        "vllm", "is not ready", got=f"nothing in {timeout_s:g} s; it said last: {child.last_words()}",
        do="Give it more time with engine_start_s in --config.",
    )  # fmt: skip


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
