"""Costs: what a folder of replies holds and what it cost, by model and prompt."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from vl2.corpus.teacher.cache import read_entries


@dataclass
class Cost:
    """Sums over the replies of one model to one version of a prompt."""

    calls: int = 0
    refused: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0


def sum_costs(folder: str | Path) -> dict[tuple[str, str, int], Cost]:
    """Return the costs by model, prompt and version. Raises VL2Error on a folder without replies."""
    sums: dict[tuple[str, str, int], Cost] = defaultdict(Cost)
    for entry in read_entries(folder):
        one = sums[entry.model, entry.prompt, entry.version]
        one.calls += 1
        one.refused += bool(entry.reply.problem)
        one.prompt_tokens += entry.reply.prompt_tokens
        one.completion_tokens += entry.reply.completion_tokens
        one.cost += entry.cost
    return dict(sorted(sums.items()))


def to_table(folder: str | Path) -> str:
    """Return the costs as lines for a terminal."""
    head = f"{'model':24} {'prompt':20} {'calls':>9} {'refused':>8} {'tokens in':>12} {'tokens out':>12} {'cost':>11}"
    sums = sum_costs(folder)
    lines = [_line(model, f"{prompt} v{version}", one) for (model, prompt, version), one in sums.items()]
    total = Cost(*(sum(getattr(one, name) for one in sums.values()) for name in Cost.__dataclass_fields__))
    return "\n".join([head, *lines, _line("all", "", total)])


def _line(model: str, prompt: str, one: Cost) -> str:
    return (f"{model[:24]:24} {prompt[:20]:20} {one.calls:9,} {one.refused:8,} {one.prompt_tokens:12,} "
            f"{one.completion_tokens:12,} {one.cost:11.4f}")  # fmt: skip
