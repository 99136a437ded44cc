"""VLMEvalKit's class answers a message of pictures and texts as our own engine does."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import vl2
from vl2.evaluation.bridges.vlmevalkit import VL2, register

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_a_message_is_answered(monkeypatch):
    config = ModuleType("vlmeval.config")
    config.supported_VLM = {}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vlmeval", ModuleType("vlmeval"))
    monkeypatch.setitem(sys.modules, "vlmeval.config", config)
    register("here", "pocket")
    model = config.supported_VLM["here"]()
    try:
        assert isinstance(model, VL2) and model.INTERLEAVE and not model.use_custom_prompt("DocVQA")
        sign = str(EXAMPLES / "sign.png")
        message = [{"type": "image", "value": sign}, {"type": "text", "value": "Read the text."}]
        assert model.generate(message, dataset="DocVQA") == vl2.load().read(sign).text.rstrip(".")
    finally:
        model.answerer.close()
