"""--engine vllm: the arguments it is started with, and that it is awaited, fronted and stopped."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

pytest.importorskip("fastapi", reason="needs the extra serve")

from tests.serve.process import Served, serving_process, start, wait_for
from tests.serve.serving import asked, data_url
from vl2.cli import app
from vl2.core.errors import ConfigError, VL2Error
from vl2.serve.vllm import TEMPLATE, VLLMOptions, command_line, find_vllm

STAND_IN = Path(__file__).with_name("vllm_stand_in.py")
CHAT = "/v1/chat/completions"
HOUSE = {"messages": asked("<|ref|>blue house<|/ref|>", data_url("shapes.png")), "vl2": {"boxes": "thousand"}}


def options(**given: Any) -> VLLMOptions:
    known = {"folder": Path("models/small"), "name": "small", "max_images": 16, "max_running": 32}
    return VLLMOptions(**(known | given))


def test_the_arguments() -> None:
    assert command_line(options(), "vllm", 4321) == [
        "vllm", "serve", "models/small",
        "--host", "127.0.0.1",
        "--port", "4321",
        "--served-model-name", "small",
        "--hf-overrides", '{"architectures": ["DeepseekVLV2ForCausalLM"]}',
        "--chat-template", str(TEMPLATE),
        "--chat-template-content-format", "openai",
        "--generation-config", "vllm",
        "--limit-mm-per-prompt", '{"image": 16}',
        "--max-num-seqs", "32",
        "--max-logprobs", "20",
        "--structured-outputs-config", '{"backend": "guidance"}',
        "--tensor-parallel-size", "1",
        "--pipeline-parallel-size", "1",
        "--no-trust-remote-code", "--enable-prompt-tokens-details", "--disable-uvicorn-access-log",
    ]  # fmt: skip


def test_the_arguments_past_one_machine() -> None:
    given = options(
        max_model_len=4096, dtype="bfloat16", tensor_parallel_size=4, pipeline_parallel_size=2,
        vllm_arg=("--distributed-executor-backend=ray", "--gpu-memory-utilization=0.85"),
    )  # fmt: skip
    found = command_line(given, "/opt/bin/vllm", 9)
    assert found[:2] == ["/opt/bin/vllm", "serve"]
    assert found[found.index("--tensor-parallel-size") :] == [
        "--tensor-parallel-size", "4",
        "--pipeline-parallel-size", "2",
        "--max-model-len", "4096",
        "--dtype", "bfloat16",
        "--no-trust-remote-code", "--enable-prompt-tokens-details", "--disable-uvicorn-access-log",
        "--distributed-executor-backend=ray", "--gpu-memory-utilization=0.85",
    ]  # fmt: skip


@pytest.mark.parametrize("argument", ["--trust-remote-code", "--port=1", "--api-key=x", "--chat-template=x"])
def test_arguments_that_are_ours(argument: str) -> None:
    with pytest.raises(ConfigError, match="is ours to give"):
        options(vllm_arg=(argument,))


def test_without_vllm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(VL2Error, match=r"^vllm: is not installed. pip install vllm: it needs a GPU"):
        find_vllm()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Put the stand-in first on the path; return the environment and where it writes what it was told."""
    folder = tmp_path_factory.mktemp("program")
    script = folder / "vllm"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    script.chmod(0o755)
    log = folder / "told.json"
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "VL2_STAND_IN_LOG": str(log)}


def told(program: dict[str, str]) -> dict[str, Any]:
    return json.loads(Path(program["VL2_STAND_IN_LOG"]).read_text())


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def until(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def post(served: Served, body: dict) -> httpx.Response:
    return httpx.post(served.address + CHAT, json=body, timeout=120)


def test_it_is_started_fronted_and_stopped(program: dict[str, str]) -> None:
    with serving_process("pocket", "--engine", "vllm", "--max-model-len", "1024", **program) as served:
        found = told(program)
        assert (found["model"], found["served_model_name"]) == (str(Path(found["model"]).resolve()), "pocket")
        behind = f"http://{found['host']}:{found['port']}"
        assert httpx.get(f"{behind}/v1/models", timeout=60).status_code == 401, "nobody else may ask it"
        (card,) = httpx.get(f"{served.address}/v1/models", timeout=60).json()["data"]
        assert (card["id"], card["max_model_len"]) == ("pocket", 1024)
        message = post(served, HOUSE).json()["choices"][0]["message"]
        assert message["grounding"][0]["boxes"] == [[444, 46, 764, 363]]
        assert httpx.get(served.address + "/", timeout=60).status_code == 200
        answer = post(served, {"messages": asked("word " * 1100)})
        assert answer.json()["error"]["code"] == "context_length_exceeded", "by the length that was asked for"
    assert served.process.returncode == 0
    assert not is_alive(found["pid"])
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{behind}/health")


def test_its_death_is_told(program: dict[str, str]) -> None:
    with serving_process("pocket", "--engine", "vllm", **program) as served:
        os.killpg(told(program)["pid"], signal.SIGKILL)
        wait_for(served, "/health", 503)
        answer = post(served, HOUSE)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engine_stopped")
        assert answer.headers["Retry-After"]
        assert httpx.get(served.address + "/ready", timeout=60).status_code == 503


def test_it_breaks_before_it_is_ready(program: dict[str, str]) -> None:
    served = start("pocket", "--engine", "vllm", **program, VL2_STAND_IN="break")
    output, _ = served.process.communicate(timeout=120)
    assert served.process.returncode == 2
    last = output.strip().splitlines()[-1]
    assert "vllm: has ended (got exit code 3: INFO loading weights | RuntimeError: no GPU was found)." in last


def test_it_is_never_ready(program: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "serve.yaml").write_text("engine_start_s: 2\n")
    arguments = ("pocket", "--engine", "vllm", "--config", str(tmp_path / "serve.yaml"))
    served = start(*arguments, **program, VL2_STAND_IN="hang")
    output, _ = served.process.communicate(timeout=120)
    assert served.process.returncode == 2
    assert "vllm: is not ready (got nothing in 2 s; it said last: INFO loading weights)" in output
    assert not is_alive(told(program)["pid"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_it_ends_with_us_while_it_loads(program: dict[str, str], number: signal.Signals) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background would have it ignored below
    Path(program["VL2_STAND_IN_LOG"]).unlink(missing_ok=True)
    served = start("pocket", "--engine", "vllm", **program, VL2_STAND_IN="hang")
    until(Path(program["VL2_STAND_IN_LOG"]).is_file)
    until(lambda: Path(program["VL2_STAND_IN_LOG"]).read_text())
    served.process.send_signal(number)
    served.process.communicate(timeout=60)
    if number != signal.SIGKILL or sys.platform == "linux":
        until(lambda: not is_alive(told(program)["pid"]))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--engine", "vllm", "--quantize", "4"), "quantize: is for our own engine"),
        (("--engine", "vllm", "--draft-tokens", "4"), "draft_tokens: is for our own engine"),
        (("--upstream", "http://127.0.0.1:9/v1", "--cache-dtype", "int8"), "cache_dtype: is for our own engine"),
        (("--upstream", "http://127.0.0.1:9/v1", "--engine", "vllm"), "upstream: computes already"),
        (("--tensor-parallel-size", "2"), "tensor_parallel_size: is for vLLM"),
        (("--vllm-arg=--seed=1",), "vllm_arg: is for vLLM"),
    ],
)
def test_settings_of_another_engine_are_refused(arguments: tuple[str, ...], expected: str) -> None:
    found = CliRunner().invoke(app, ["serve", "pocket", *arguments])
    assert found.exit_code == 2 and expected in " ".join(found.output.split())
