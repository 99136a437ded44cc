"""Files to tensors and back, in the official layout."""

from vl2.weights.hub import find_checkpoint
from vl2.weights.load import load_model
from vl2.weights.preflight import MemoryPlan, available_bytes, check_memory, plan_memory
from vl2.weights.save import save_model

__all__ = [
    "MemoryPlan",
    "available_bytes",
    "check_memory",
    "find_checkpoint",
    "load_model",
    "plan_memory",
    "save_model",
]
