"""Rounds: a contender and its rival take turns, so that both meet the same machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from vl2.cli import bench_rival
from vl2.cli.bench_contender import DTYPES, EngineContender, build_contender, check_precision, config_in
from vl2.cli.bench_measure import Measure, Sample, take
from vl2.cli.bench_rival import Rival
from vl2.cli.bench_roofline import DEFAULT_READ_BYTES, Roofline, matmul_gflops
from vl2.cli.bench_weights import vision_operations
from vl2.core.errors import VL2Error
from vl2.engine.engine import STEP_TOKENS, CacheDtype
from vl2.kernels.native.library import library, set_num_threads
from vl2.model import PRESETS, VL2Config
from vl2.weights import check_memory, plan_memory

PEER_FILES = {"bf16": "bf16", "int8": "q8_0", "int4": "q4_0"}  # the peer's kind of the same size
Say = Callable[[str], None]
Keep = Callable[["Results"], None]
Start = Callable[[], AbstractContextManager[Rival | None]]


@dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """What to measure and how often."""

    preset: str = "tiny"
    folder: Path | None = None  # of a checkpoint; random weights without one
    precisions: tuple[str, ...] = ("bf16",)
    threads: int = 2
    contexts: tuple[int, ...] = (700, 1500)
    batches: tuple[int, ...] = (1, 4, 8, 16)
    tiles: tuple[int, ...] = (1, 10)
    rounds: int = 5
    tokens: int = 32  # decoded a sample
    read_bytes: int = DEFAULT_READ_BYTES
    peer_python: str | None = None
    peer_folder: Path | None = None
    has_baseline: bool = False
    cache_dtype: CacheDtype | None = None
    group: int | None = None  # columns of random int8 and int4 that share a scale; None: as they come

    def measures(self) -> list[Measure]:
        """Return all kinds of work; many sequences decode behind the first context only."""
        return [
            *(Measure(what="vision", amount=count) for count in self.tiles),
            *(Measure(what="prefill", amount=count) for count in self.contexts),
            *(Measure(what="decode", amount=self.tokens, context=count) for count in self.contexts),
            *(
                Measure(what="decode", amount=self.tokens, context=self.contexts[0], batch=batch)
                for batch in self.batches
                if batch > 1
            ),
        ]


@dataclass(kw_only=True)
class Row:
    """The samples of one kind of work, round by round, with those of the rival and the memory's speed meanwhile."""

    measure: Measure
    precision: str
    path: str
    rival: str | None = None
    rival_path: str | None = None
    read_bytes: int | None = None  # by one step of decoding
    operations: int | None = None  # of one tile
    matmul_gflops: list[float] = field(default_factory=list)  # of products of the vision tower's size
    samples: list[Sample] = field(default_factory=list)
    rival_samples: list[Sample] = field(default_factory=list)
    read_gbps: list[float] = field(default_factory=list)


@dataclass(kw_only=True)
class Results:
    """Everything that one run measured."""

    settings: BenchSettings
    rows: list[Row] = field(default_factory=list)
    read_path: str = ""  # which code measured the memory
    matmul_gflops: list[float] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)


def run_bench(settings: BenchSettings, say: Say, keep: Keep) -> Results:
    """Measure every precision against every rival; `say` hears what is going on, `keep` gets what there is so far."""
    _check(settings)
    rivals = {precision: _rivals(settings, precision) for precision in settings.precisions}
    torch.manual_seed(0)
    results = Results(settings=settings)
    threads_before = torch.get_num_threads()
    _use_threads(settings.threads)
    roofline = Roofline(settings.threads, settings.read_bytes)
    try:
        results.read_path = roofline.path
        results.matmul_gflops = [matmul_gflops() for _ in range(settings.rounds)]
        vision_paths: set[str] = set()
        for precision in settings.precisions:
            contender = _build(settings, precision, say)
            measures = settings.measures()
            if contender.vision_path in vision_paths:  # the same tower was measured already
                measures = [measure for measure in measures if measure.what != "vision"]
            vision_paths.add(contender.vision_path)
            pairings = rivals[precision] or [nullcontext]
            for start_rival in pairings:
                is_last = start_rival is pairings[-1]  # what no other rival does is measured in the last pairing
                with start_rival() as rival:
                    results.versions |= rival.versions if rival is not None else {}
                    rows = [
                        _row(contender, measure, precision, rival, results.matmul_gflops)
                        for measure in measures
                        if is_last or _peer_does(measure)
                    ]
                    _take_turns(settings, contender, rival, rows, roofline, say)
                results.rows += rows
                keep(results)
            del contender  # before the next one is made
    finally:
        roofline.close()
        _use_threads(threads_before)
    return results


def _use_threads(count: int) -> None:
    torch.set_num_threads(count)
    if library() is not None:
        set_num_threads(count)


def _check(settings: BenchSettings) -> None:
    """Raise VL2Error for what cannot be measured, before anything is."""
    for precision in settings.precisions:
        check_precision(precision)
        config_in(precision, settings.preset, settings.folder, settings.group)
    config = replace(config_of(settings), quantization_config=None)
    if settings.has_baseline and config.language_config.use_mla:
        raise VL2Error("baseline", "is written for MHA only", expected="the preset tiny", do="Leave --baseline out.")
    if (settings.has_baseline or settings.peer_folder) and config != PRESETS[settings.preset]:
        raise VL2Error("model", "has another shape than its rivals", expected=f"the shape of {settings.preset}")


def config_of(settings: BenchSettings) -> VL2Config:
    """Return the shape that is measured."""
    if settings.folder is not None:
        return VL2Config.from_file(settings.folder / "config.json")
    return PRESETS[settings.preset]


def _build(settings: BenchSettings, precision: str, say: Say) -> EngineContender:
    plan = plan_memory(
        config_in(precision, settings.preset, settings.folder, settings.group), dtype=DTYPES[precision],
        context_tokens=max(settings.contexts), num_tiles=max(settings.tiles, default=0), chunk_tokens=STEP_TOKENS,
    )  # fmt: skip
    held = max(measure.batch * (measure.context or measure.amount) for measure in settings.measures())
    check_memory(replace(plan, cache=plan.cache * held // max(settings.contexts)))
    start = time.perf_counter()
    contender = build_contender(settings.preset, precision, settings.folder, settings.cache_dtype, settings.group)
    say(f"{precision}: model made in {time.perf_counter() - start:.0f} s; {contender.path}")
    return contender


def _rivals(settings: BenchSettings, precision: str) -> list[Start]:
    """Return how to start each rival of a precision, the one that does everything last."""
    rivals: list[Start] = []
    if settings.peer_python and settings.peer_folder and precision in PEER_FILES:
        python, file = settings.peer_python, settings.peer_folder / f"{settings.preset}-{PEER_FILES[precision]}.gguf"
        if not file.is_file():
            raise VL2Error(str(file), "is missing", do="Write it with bench/peer_gguf.py.")
        rivals.append(lambda: bench_rival.llama_cpp(python, file, threads=settings.threads))
    if settings.has_baseline:
        rivals.append(lambda: bench_rival.baseline(settings.preset, threads=settings.threads))
    return rivals


def _row(
    contender: EngineContender, measure: Measure, precision: str, rival: Rival | None, matmul_gflops: list[float]
) -> Row:
    row = Row(measure=measure, precision=precision, path=contender.path, matmul_gflops=matmul_gflops)
    if measure.what == "vision":
        row.path, row.operations = contender.vision_path, vision_operations(contender.model.config.vision_config)
    if measure.what == "decode":
        row.read_bytes = contender.read_bytes(measure.context, measure.batch)
    if rival is not None and (rival.name != "llama.cpp" or _peer_does(measure)):
        row.rival, row.rival_path = rival.name, rival.path
    return row


def _peer_does(measure: Measure) -> bool:
    return measure.what != "vision" and measure.batch == 1


def _take_turns(
    settings: BenchSettings, contender: EngineContender, rival: Rival | None, rows: list[Row], roofline: Roofline,
    say: Say,
) -> None:  # fmt: skip
    """Fill the rows, one sample a round and side; the round before the first warms both up."""
    config = config_of(settings)
    tile_size, vocab_size = config.vision_config.image_size, config.language_config.vocab_size
    against = f" against {rival.name}" if rival is not None else ""
    for number in range(settings.rounds + 1):
        start = time.perf_counter()
        for row in rows:
            before = roofline.read_gbps()
            sample = take(contender, row.measure, tile_size, vocab_size)
            after = roofline.read_gbps()
            other = rival.take(row.measure) if rival is not None and row.rival else None
            if number == 0:
                continue
            row.read_gbps.append((before + after) / 2)
            row.samples.append(sample)
            if other is not None:
                row.rival_samples.append(other)
        name = f"round {number} of {settings.rounds}" if number else "warm-up"
        say(f"{rows[0].precision}{against}: {name}, {time.perf_counter() - start:.0f} s" if rows else "nothing to do")
