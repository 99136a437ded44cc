"""The paper's model, section by section."""

from vl2.model.config import VL2Config
from vl2.model.presets import PRESETS
from vl2.model.vlm import VL2, Output

__all__ = ["PRESETS", "VL2", "Output", "VL2Config"]
