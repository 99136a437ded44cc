"""inspect-ai imports this by the entry point of the package: `inspect eval task.py --model vl2/pocket`."""

from __future__ import annotations

from inspect_ai.model import ModelAPI, modelapi


@modelapi(name="vl2")
def vl2() -> type[ModelAPI]:
    """Return the provider; the engine is imported only when it is used."""
    from vl2.evaluation.bridges.inspect_provider import VL2API

    return VL2API
