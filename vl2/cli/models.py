"""The sizes, what they need, and what is on this machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from vl2.cli import show
from vl2.cli.guard import Debug

if TYPE_CHECKING:
    from vl2.model import VL2Config

GIGA, MEGA = 1e9, 1e6


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """One size: parameters, bytes of weights by format, and where it lies."""

    name: str
    num_parameters: int
    num_activated: int  # read for one token of text: a token visits few of the experts
    bfloat16_bytes: int
    int8_bytes: int
    int4_bytes: int
    path: str | None


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    debug: Debug = False,
) -> None:
    """List the sizes: parameters, memory of the weights by format, and what is on this machine."""
    from vl2.model import PRESETS

    rows = [describe(name, config) for name, config in PRESETS.items()]
    if as_json:
        for row in rows:
            show.show_json(asdict(row))
        return
    _show_table(rows)


def describe(name: str, config: VL2Config) -> ModelRow:
    """Measure one size without allocating it."""
    from vl2.weights.preflight import bytes_by_format, count_parameters

    sizes = bytes_by_format(config)
    return ModelRow(
        name=name,
        num_parameters=count_parameters(config),
        num_activated=count_activated(config),
        bfloat16_bytes=sizes["bfloat16"],
        int8_bytes=sizes["int8"],
        int4_bytes=sizes["int4"],
        path=find_local(name),
    )


def count_activated(config: VL2Config) -> int:
    """Return the parameters that a token of text meets: K of E experts, and no table of embeddings (paper, Table 1)."""
    import torch

    from vl2.model.language import LanguageModel

    language = config.language_config
    with torch.device("meta"):
        sizes = {name: parameter.numel() for name, parameter in LanguageModel(language).named_parameters()}
    share = (language.num_experts_per_tok or 0) / (language.n_routed_experts or 1)
    counted = {name: size for name, size in sizes.items() if name != "embedding.weight"}
    return round(sum(size * share if ".routed_experts." in name else size for name, size in counted.items()))


def find_local(name: str) -> str | None:
    """Return the folder of a whole checkpoint on this machine, None without one; nothing is fetched."""
    from pathlib import Path

    from huggingface_hub import try_to_load_from_cache

    from vl2.core.errors import VL2Error
    from vl2.weights import find_checkpoint
    from vl2.weights.hub import SHORT_NAMES
    from vl2.weights.stored import open_tensors

    try:
        if name in SHORT_NAMES:
            config = try_to_load_from_cache(SHORT_NAMES[name], "config.json")
            if not isinstance(config, str):
                return None
            directory = Path(config).parent
        else:
            directory = find_checkpoint(name)
        with open_tensors(directory):
            return str(directory)
    except VL2Error:
        return None


def _show_table(rows: list[ModelRow]) -> None:
    from rich.table import Table

    table = Table("model", "parameters", "activated", "bf16", "int8", "int4", "on this machine", box=None)
    for row in rows:
        sizes = [_gigabytes(size) for size in (row.bfloat16_bytes, row.int8_bytes, row.int4_bytes)]
        table.add_row(row.name, _count(row.num_parameters), _count(row.num_activated), *sizes, row.path or "no")
    show.show_table(table)
    typer.echo("Memory of all weights; only the activated ones are read for a token.", err=True)


def _count(number: int) -> str:
    return f"{number / GIGA:.2f} B" if number >= GIGA / 10 else f"{number / MEGA:.1f} M"


def _gigabytes(size: int) -> str:
    return f"{size / GIGA:.1f} GB" if size >= GIGA / 10 else f"{size / MEGA:.1f} MB"
