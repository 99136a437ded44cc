"""Say before anything is allocated how much memory a model needs, and whether this machine has it.

The sums, in bytes, with i bytes a number (letters as in the legend, P patches of a tile, C vision width, L layers, Q
tokens of a prefill step):
  weights      parameters * i, and codes and scales of those that are quantised
  cache        B * T * L * entry * i, an entry being R + Dr (latent attention) or 2 * D (MHA)
  activations  the larger of a tile's and a step's peak: three copies of the attention scores, or the experts
               vision   N * (3 * H * P^2 * i + 6 * P * C * i)
               language B * Q * (max(3 * H * T * i, K * D * (3 * i + 8)) + 6 * D * i + T * (i + 1))
  runtime      Python, PyTorch and its first calls, measured
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from vl2.core.errors import MemoryPreflightError
from vl2.model import VL2, VL2Config
from vl2.model.config import LanguageConfig, QuantizationConfig, VisionConfig
from vl2.weights.empty import empty_model, model_tensors
from vl2.weights.names import PARTS

RUNTIME_BYTES = 400_000_000
SMALLER_FORMATS = {"bfloat16": None, "int8": QuantizationConfig(bits=8), "int4": QuantizationConfig(bits=4)}
CGROUP_FILES = {  # limit and use, by controller: version 2 has one nameless hierarchy
    "": ("memory.max", "memory.current"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes"),
}
CGROUP, CGROUP_OF_PROCESS, MEMINFO = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"), Path("/proc/meminfo")


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """Bytes that a model will need."""

    config: VL2Config
    num_parameters: int
    weights: int
    cache: int
    activations: int
    runtime: int = RUNTIME_BYTES

    @property
    def total(self) -> int:
        """Return the sum in bytes."""
        return self.weights + self.cache + self.activations + self.runtime

    def __str__(self) -> str:
        parts = {"weights": self.weights, "cache": self.cache, "activations": self.activations, "runtime": self.runtime}
        return f"{_gb(self.total)}: " + " + ".join(f"{name} {_gb(size)}" for name, size in parts.items())


def plan_memory(
    config: VL2Config,
    *,
    dtype: torch.dtype,
    context_tokens: int,
    num_tiles: int,
    batch: int = 1,
    chunk_tokens: int | None = None,
) -> MemoryPlan:
    """Add up what generation needs: `batch` rows of `context_tokens` each, and `num_tiles` encoded at once.

    `chunk_tokens` is the size of a prefill step; None prefills a prompt at once.
    """
    language, item_size = config.language_config, dtype.itemsize
    return MemoryPlan(
        config=config,
        num_parameters=count_parameters(config),
        weights=count_bytes(config, dtype),
        cache=batch * context_tokens * language.num_hidden_layers * language.cache_width * item_size,
        activations=max(
            num_tiles * vision_bytes(config.vision_config, item_size),
            batch * language_bytes(language, item_size, context_tokens, chunk_tokens or context_tokens),
        ),
    )


def count_parameters(config: VL2Config) -> int:
    """Return the parameters of a model, without allocating any."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in VL2(config).parameters())


def count_bytes(config: VL2Config, dtype: torch.dtype) -> int:
    """Return the bytes of a model's weights; those that the config quantises count as they are stored."""
    return sum(
        tensor.nbytes if name.endswith(PARTS) else tensor.numel() * dtype.itemsize
        for name, tensor in model_tensors(empty_model(config, dtype))
    )


def bytes_by_format(config: VL2Config) -> dict[str, int]:
    """Return the bytes of a model's weights in bfloat16, and as `vl2 quantize` makes them."""
    return {
        name: count_bytes(replace(config, quantization_config=quantization), torch.bfloat16)
        for name, quantization in SMALLER_FORMATS.items()
    }


def check_memory(plan: MemoryPlan, available: int | None = None, *, device: torch.device | str = "cpu") -> None:
    """Raise MemoryPreflightError when the plan needs more than is available; None asks the machine."""
    available = available_bytes(device) if available is None else available
    if available is None or plan.total <= available:
        return
    others = plan.total - plan.weights
    fitting = [
        f"{name} weights (about {_gb(size + others)})"
        for name, size in bytes_by_format(plan.config).items()
        if size < plan.weights and size + others <= available
    ]
    raise MemoryPreflightError(
        "memory", "the model does not fit", got=f"{_gb(available)} free", expected=str(plan),
        do=f"Use {' or '.join([*fitting, 'a smaller model'])}, or free memory.",
    )


def available_bytes(device: torch.device | str = "cpu") -> int | None:
    """Return what can still be allocated on a device, None when the machine does not tell."""
    if torch.device(device).type == "cuda":
        idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # torch's own, free to use
        return torch.cuda.mem_get_info(device)[0] + idle
    rooms = [room for room in (_machine_room(), *_cgroup_rooms()) if room is not None]
    if rooms:
        return max(0, min(rooms))
    try:  # no /proc: count all memory as free rather than refuse to run
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def vision_bytes(config: VisionConfig, item_size: int) -> int:
    """Return the peak of encoding one tile."""
    patches = config.patches_per_side**2
    return 3 * config.heads * patches**2 * item_size + 6 * patches * config.width * item_size


def language_bytes(config: LanguageConfig, item_size: int, context_tokens: int, chunk_tokens: int) -> int:
    """Return the peak of one row of a prefill step."""
    scores = 3 * config.num_attention_heads * context_tokens * item_size
    experts = (config.num_experts_per_tok or 0) * config.hidden_size * (3 * item_size + 8)
    beside = 6 * config.hidden_size * item_size + context_tokens * (item_size + 1)  # states and the mask
    return min(chunk_tokens, context_tokens) * (max(scores, experts) + beside)


def _machine_room() -> int | None:
    """Return MemAvailable, which counts the page cache as free."""
    for line in _lines(MEMINFO):
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return None


def _cgroup_rooms() -> list[int]:
    """Return the room below the limit of each group that the process is in, of version 2 or 1."""
    rooms: list[int] = []
    for line in _lines(CGROUP_OF_PROCESS):
        _, controllers, path = line.split(":", 2)
        if controllers not in CGROUP_FILES:
            continue
        root = CGROUP / controllers
        own = root / path.strip("/")
        for group in {root, *(parent for parent in (own, *own.parents) if parent.is_relative_to(root))}:
            limit, used = (_number(group / name) for name in CGROUP_FILES[controllers])
            if limit is not None and used is not None:
                rooms.append(limit - used + _page_cache(group))
    return rooms


def _page_cache(group: Path) -> int:
    """Return the bytes of files that the kernel drops before it refuses memory."""
    names = ("inactive_file", "total_inactive_file")
    return max((int(line.split()[1]) for line in _lines(group / "memory.stat") if line.split()[0] in names), default=0)


def _number(path: Path) -> int | None:
    text = "".join(_lines(path))
    return int(text) if text.isdigit() else None  # "max" where there is no limit


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
