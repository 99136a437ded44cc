"""Machines as data. Peaks are of dense bf16 matrix products; links count one direction."""

from __future__ import annotations

from dataclasses import dataclass

from vl2.core.errors import ConfigError, nearest


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One kind of GPU in its usual node, or a CPU."""

    name: str
    peak_flops: float  # a second
    memory: float  # bytes
    node_size: int  # GPUs that share the fast link
    link: float  # bytes a second between GPUs of a node
    network: float  # bytes a second a GPU between nodes
    attained: float  # of the peak, while it computes: what public runs of models like this reach
    source: str


_FINE_EXPERTS = "attained: Megatron-Bridge, Qwen3-30B-A3B in BF16 on 16 H100, 30.3 %"
MACHINES: dict[str, Machine] = {
    "a100": Machine(
        name="A100 SXM 80 GB", peak_flops=312e12, memory=80e9, node_size=8, link=300e9, network=25e9, attained=0.35,
        source="NVIDIA's data sheet; one 200 Gb/s port a GPU; attained: lmms-engine, VLMs on A800, 30 to 40 %",
    ),
    "h100": Machine(
        name="H100 SXM", peak_flops=989e12, memory=80e9, node_size=8, link=450e9, network=50e9, attained=0.303,
        source=f"NVIDIA's data sheet; one 400 Gb/s port a GPU; {_FINE_EXPERTS}",
    ),
    "h200": Machine(
        name="H200 SXM", peak_flops=989e12, memory=141e9, node_size=8, link=450e9, network=50e9, attained=0.303,
        source=f"NVIDIA's data sheet; one 400 Gb/s port a GPU; {_FINE_EXPERTS}",
    ),
    "cpu": Machine(
        name="2 CPU cores", peak_flops=1.17e12, memory=24e9, node_size=1, link=10e9, network=1e9, attained=0.3,
        source="peak measured on a shared machine: bf16 product of 2048^3 in two threads; links and attained assumed",
    ),
}  # fmt: skip


def machine(name: str) -> Machine:
    """Return a machine by name. Raises ConfigError on one that is not known."""
    if name not in MACHINES:
        raise ConfigError("gpu", "not known", got=name, expected=", ".join(MACHINES), do=nearest(name, MACHINES))
    return MACHINES[name]
