"""vl2 plan-training: what a stage of training takes on which GPUs, and the layout that takes least."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vl2.cli import show
from vl2.cli.guard import Debug

if TYPE_CHECKING:
    from vl2.train.planning.estimate import Estimate, Job
    from vl2.train.planning.imbalance import Imbalance

GIGA, NUM_OTHERS = 1e9, 3
PRICE = 2.0  # dollars a GPU hour, as DeepSeek-V3's report (arXiv 2412.19437, Table 1) assumes for an H800


def plan_training(
    variant: Annotated[str, typer.Option(help="tiny, small or base.")] = "tiny",
    stage: Annotated[str, typer.Option(help="align, pretrain or sft.")] = "sft",
    gpu: Annotated[str, typer.Option(help="a100, h100, h200 or cpu.")] = "h100",
    num_gpus: Annotated[int, typer.Option(min=1, help="How many; a layout that is given says it itself.")] = 8,
    layout: Annotated[str | None, typer.Option(help="Such as dp_shard=4,pp=2; else the fastest is looked for.")] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Plan what this recipe of recipes/tiny, small or base says.")
    ] = None,
    visual_share: Annotated[
        float, typer.Option(min=0, max=0.99, help="Of the tokens; a histogram says it too.")
    ] = 0.35,
    tiles_histogram: Annotated[Path | None, typer.Option(help="Lines of: width height count, of images.")] = None,
    balance: Annotated[bool, typer.Option(help="Level tiles over the data-parallel ranks.")] = True,
    price: Annotated[float, typer.Option(min=0, help="Dollars a GPU hour.")] = PRICE,
    timeline: Annotated[Path | None, typer.Option(help="Draw a step of the pipeline into this SVG.")] = None,
    paper: Annotated[bool, typer.Option("--paper", help="Show the paper's own days, worked out again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    debug: Debug = False,
) -> None:
    """Say what a stage of the paper takes: memory, FLOPs, communication, bubble, days and cost. Trains nothing."""
    from dataclasses import replace

    from vl2.core.settings import build, load_yaml
    from vl2.data.packing import PackLimits
    from vl2.train.paper import paper_row
    from vl2.train.planning.estimate import estimate
    from vl2.train.planning.jobs import job_of, measured_imbalance
    from vl2.train.planning.layout import layout_of, parse_layout
    from vl2.train.planning.search import check_fit, search
    from vl2.train.planning.timeline import draw_timeline
    from vl2.train.train_config import TrainConfig

    if paper:
        show_paper()
        return
    given = None if layout is None else parse_layout(layout)
    if recipe is not None:
        config = build(TrainConfig, load_yaml(recipe), thing=str(recipe))
        row, given, most_tiles = config.row, given or layout_of(config), config.pack_tiles
        visual_share, balance = config.visual_share, balance and config.level_tiles
    else:
        row, most_tiles = paper_row(variant, stage), PackLimits().tiles
    ranks = num_gpus if given is None else given.data_parallel
    imbalance = measured_imbalance(row.variant, tiles_histogram, ranks)
    visual_share = visual_share if tiles_histogram is None else imbalance.visual_share
    job = job_of(row, gpu, visual_share=visual_share, most_tiles=most_tiles)
    job = replace(job, tile_imbalance=imbalance.balanced if balance else imbalance.unbalanced)
    found = search(job, num_gpus) if given is None else [estimate(job, given)]
    check_fit(job, found[0])
    if timeline is not None:
        timeline.write_text(draw_timeline(found[0]), encoding="utf-8")
    record = to_record(found[0], imbalance, price)
    record["others"] = [brief(other) for other in found[1 : 1 + NUM_OTHERS]]
    show.show_json(record) if as_json else show_plan(record)


def to_record(found: Estimate, imbalance: Imbalance, price: float) -> dict[str, Any]:
    """Return everything that is known of a plan, as JSON values."""
    job, layout = found.job, found.layout
    return {
        "variant": job.row.variant, "stage": job.row.stage, "machine": job.machine.name, "num_gpus": layout.world_size,
        "layout": str(layout), "microbatches": layout.num_microbatches(job.row),
        "memory_gb": [{k: round(v / GIGA, 2) for k, v in asdict(one).items()} for one in found.memory],
        "memory_room_gb": round(job.machine.memory / GIGA, 1),
        "flops_per_token": {part: flops / job.sequence.tokens for part, flops in flops_of(job).items()},
        "stages": [str(found.stages)] if layout.num_stages == 1 else str(found.stages).split(" | "),
        "stage_ends": found.plan.stage_ends, "stage_imbalance": round(found.stages.imbalance, 4),
        "communication_gb": {flow.kind: round(flow.num_bytes / GIGA, 3) for flow in found.flows},
        "exposed_communication": round(found.exposed_seconds / found.step_seconds, 4),
        "bubble": round(found.simulation.bubble, 4),
        "tiles": {k: round(v, 3) for k, v in asdict(imbalance).items()}, "tile_imbalance": round(job.tile_imbalance, 3),
        "step_seconds": round(found.step_seconds, 3), "tokens_per_second_gpu": round(found.tokens_per_gpu),
        "mfu": round(found.mfu, 4), "days": round(found.days, 2), "gpu_hours": round(found.gpu_hours),
        "cost": round(found.gpu_hours * price), "attained_source": job.machine.source,
    }  # fmt: skip


def flops_of(job: Job) -> dict[str, float]:
    """Return forward and backward FLOPs of a sequence by part."""
    from vl2.train.planning.flops import flops_by_part

    return {str(part): flops for part, flops in flops_by_part(job.config, job.sequence, job.row).items()}


def brief(found: Estimate) -> dict[str, Any]:
    """Return a layout that was not chosen, in short."""
    memory = round(found.peak.total / GIGA, 1)
    return {"layout": str(found.layout), "days": round(found.days, 2), "mfu": round(found.mfu, 4), "memory_gb": memory}


def show_paper() -> None:
    """Write the days of the paper's three runs, from its tokens and GPUs and the MFU that they imply."""
    from vl2.train.planning.days import PAPER_RUNS, days_needed

    for variant, run in PAPER_RUNS.items():
        for share, mfu in run.mfu.items():
            days = days_needed(variant, num_gpus=run.num_gpus, mfu=mfu, visual_share=share)
            told = f"{run.num_gpus} x A100, {share:.0%} visual tokens, MFU {mfu:.1%}: {days:.2f} days"
            typer.echo(f"{variant:6}{told}, the paper says {run.days}")


def show_plan(record: dict[str, Any]) -> None:
    """Write a plan for people."""
    fullest = max(record["memory_gb"], key=lambda memory: sum(memory.values()))
    parts = ", ".join(f"{name} {size:.1f}" for name, size in fullest.items() if size >= 0.05)
    total = sum(record["flops_per_token"].values())
    flops = ", ".join(f"{part} {value / total:.0%}" for part, value in record["flops_per_token"].items())
    sent = ", ".join(f"{kind} {size:.2f}" for kind, size in record["communication_gb"].items()) or "nothing"
    tiles = record["tiles"]
    lines = {
        "run": f"{record['variant']} {record['stage']} on {record['num_gpus']} x {record['machine']}",
        "layout": f"{record['layout']} ({record['microbatches']} microbatches)",
        "memory": f"{sum(fullest.values()):.1f} of {record['memory_room_gb']} GB: {parts}",
        "FLOPs": f"{total / GIGA:.2f} G a token: {flops}",
        "sent a step": f"{sent} (GB a process; {record['exposed_communication']:.1%} of the step waits for it)",
        "pipeline": f"bubble {record['bubble']:.1%}, costliest stage {record['stage_imbalance']:.3f} of the mean",
        "tiles": f"{tiles['tiles_per_pack']:.1f} a pack; fullest rank {tiles['unbalanced']:.2f} of the mean, "
                 f"levelled {tiles['balanced']:.2f}",
        "speed": f"{record['step_seconds']:.2f} s a step, {record['tokens_per_second_gpu']:,} tokens/s a GPU, "
                 f"MFU {record['mfu']:.1%}",
        "time": f"{record['days']:.1f} days, {record['gpu_hours']:,} GPU hours, ${record['cost']:,}",
        "rests on": record["attained_source"],
    }  # fmt: skip
    for name, text in lines.items():
        typer.echo(f"{name:12}{text}")
    for number, stage in enumerate(record["stages"]):
        typer.echo(f"stage {number:<6}{stage}")
    for other in record["others"]:
        shown = f"{other['days']:.1f} days, MFU {other['mfu']:.1%}, {other['memory_gb']} GB"
        typer.echo(f"{'or':12}{other['layout']}: {shown}")
