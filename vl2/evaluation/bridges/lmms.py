"""lmms-eval finds this by the entry point of the package: `lmms-eval --model vl2 --model_args pretrained=pocket`."""

from __future__ import annotations

from typing import Any


def manifest() -> Any:
    """Return lmms-eval's manifest of our model."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest(
        model_id="vl2", chat_class_path="vl2.evaluation.bridges.lmms_model.VL2Chat", aliases=("deepseek_vl2",)
    )
