"""OpenAI's npm client: chat, streams, images, schemas, log-probabilities, responses. It lies in VL2_NODE_MODULES."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.serve.serving import Running, data_url

SCRIPT = Path(__file__).with_name("npm_client.mjs")
MODULES = os.environ.get("VL2_NODE_MODULES", "")
FOUND = "<|ref|>blue house<|/ref|><|det|>[[444, 46, 764, 363]]<|/det|>"


@pytest.fixture(scope="module")
def found(served: Running) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    if not (Path(MODULES) / "openai" / "package.json").is_file():
        pytest.skip("needs npm's openai: npm install openai, and its node_modules folder in VL2_NODE_MODULES")
    done = subprocess.run(
        [node, str(SCRIPT), served.address, data_url("shapes.png")], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_chat_and_images(found: dict[str, Any]) -> None:
    usage = found["chat"]["usage"]
    assert found["chat"]["text"] and usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert found["image"]["text"] == FOUND
    assert found["image"]["grounding"][0]["boxes"] == [[444, 46, 764, 363]]
    assert found["models"] == ["pocket"]


def test_a_stream(found: dict[str, Any]) -> None:
    stream = found["stream"]
    assert "".join(stream["pieces"]) == FOUND and len(stream["pieces"]) > 3
    assert stream["reason"] == "stop" and stream["usage"]["completion_tokens"] == 15


def test_a_schema(found: dict[str, Any]) -> None:
    assert set(found["schema"]) == {"color", "count"}
    assert found["schema"]["color"] in ("red", "blue") and found["schema"]["count"] in range(10)


def test_log_probabilities(found: dict[str, Any]) -> None:
    assert 1 <= len(found["logprobs"]) <= 4
    for entry in found["logprobs"]:
        assert len(entry["top_logprobs"]) == 2
        assert entry["logprob"] == entry["top_logprobs"][0]["logprob"], "the likeliest token was taken"
        assert 0 < math.exp(entry["logprob"]) <= 1


def test_responses(found: dict[str, Any]) -> None:
    assert found["response"]["status"] in ("completed", "incomplete") and found["response"]["text"]
    kinds = [kind for kind, _ in found["events"]]
    assert kinds[0] == "response.created" and kinds[-1] in ("response.completed", "response.incomplete")
    assert "".join(delta for kind, delta in found["events"] if kind == "response.output_text.delta") == (
        found["response"]["text"]
    )


def test_an_error(found: dict[str, Any]) -> None:
    assert found["error"] == {"is_not_found": True, "status": 404, "code": "model_not_found"}
