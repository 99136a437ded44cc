"""vl2 eval run pocketbench: held-out drawn pictures, kind by kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vl2.evaluation.pocketbench import KindScore

NAME, HELD_OUT = "pocketbench", Path("runs/pocket/heldout")


def run_pocketbench(data: Path, model: str, out: Path | None, *, limit: int, kinds: str, as_json: bool) -> None:
    """Ask every held-out question and print the score of each kind with its 95 % interval."""
    from vl2.evaluation.pocketbench import ask_all, held_out, summarise
    from vl2.processor import Processor
    from vl2.weights import find_checkpoint, load_model
    from vl2.weights.pack import pack_model

    folder = find_checkpoint(model)
    loaded, processor = pack_model(load_model(folder)), Processor.from_directory(folder)
    outcomes = list(ask_all(loaded, processor, held_out(data, prefix=kinds, limit=limit)))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text("".join(json.dumps(asdict(outcome)) + "\n" for outcome in outcomes), encoding="utf-8")
    scores = summarise(outcomes)
    typer.echo(json.dumps([asdict(score) for score in scores]) if as_json else _table(scores))


def _table(scores: Sequence[KindScore]) -> str:
    lines = [f"{'kind':<20} {'n':>5} {'score':>7}   95 % interval"]
    for score in scores:
        lines.append(
            f"{score.kind:<20} {score.num_questions:>5} {score.score:>7.1%}   {score.low:.1%} .. {score.high:.1%}"
        )
    return "\n".join(lines)
