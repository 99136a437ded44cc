"""Contenders: what is timed. `build_contender` is the one place where a precision becomes a model."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from vl2.cli.bench_weights import WeightBytes, fill_like_cache, random_model
from vl2.core.errors import VL2Error, nearest
from vl2.core.settings import build
from vl2.engine.cache import BLOCK_SIZE, PagedCache
from vl2.engine.engine import STEP_TOKENS, CacheDtype, slot_dtype
from vl2.engine.runner import Runner
from vl2.engine.scheduler import Chunk
from vl2.engine.sequence import Sequence
from vl2.kernels import sdpa, sorted_experts
from vl2.kernels.cache_entry import entry_bytes
from vl2.model import PRESETS, VL2, VL2Config
from vl2.model.config import QuantizationConfig
from vl2.weights import load_model
from vl2.weights.pack import PackedLanguage, beside_kernels, pack_model
from vl2.weights.pack_vision import PackedVision

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.bfloat16, "int4": torch.bfloat16}
# The head in 4 bits, as the peer's files have theirs; `vl2 quantize` keeps it in 8 unless asked.
QUANTIZED = {"int8": QuantizationConfig(bits=8), "int4": QuantizationConfig(bits=4, head_bits=4)}
PRECISIONS = tuple(DTYPES)
DEFAULT_PRECISIONS = ("bf16", "int8", "int4")


class Contender(Protocol):
    """One way to run one model."""

    path: str  # which code runs
    vision_path: str

    def vision(self, tiles: Tensor) -> object:
        """Run the vision tower on tiles [N, 3, S, S]."""
        ...

    def prefill(self, ids: Tensor) -> object:
        """Read a prompt [T] from an empty cache up to its last token's logits."""
        ...

    def hold(self, batch: int, context: int, room: int) -> None:
        """Make a cache that holds `context` tokens of each of `batch` sequences and has room for `room` more."""
        ...

    def decode(self, ids: Tensor) -> object:
        """Read one more token [B] of each sequence up to its logits."""
        ...


def build_contender(
    preset: str, precision: str, folder: Path | None = None, cache_dtype: CacheDtype | None = None,
    group: int | None = None,
) -> EngineContender:  # fmt: skip
    """Build a model in a precision: random weights of a preset's shape, or the checkpoint in `folder`.

    `group` is how many columns of random int8 or int4 share a scale. Raises VL2Error for a precision that this version
    cannot run.
    """
    check_precision(precision)
    config = config_in(precision, preset, folder, group)
    if folder is None:
        model = random_model(config, DTYPES[precision])
    else:
        model = load_model(folder, dtype=DTYPES[precision])
    weights = WeightBytes.of(model)  # packing hides them
    model = pack_model(model)
    language, vision = kernels_of(model)
    quantization = config.quantization_config
    head = f", int{quantization.head_bits} head" if quantization and quantization.head_bits != quantization.bits else ""
    groups = f", groups of {quantization.group}" if quantization else ""
    path = f"{language}, {precision}{groups}{head}" + (f", {cache_dtype} cache" if cache_dtype else "")
    vision_path = f"{vision}, int{quantization.vision_bits}" if quantization else f"{vision}, {precision}"
    return EngineContender(model, path=path, vision_path=vision_path, weights=weights, cache_dtype=cache_dtype)


def config_in(precision: str, preset: str, folder: Path | None, group: int | None = None) -> VL2Config:
    """Return the config of a contender.

    Raises VL2Error when the checkpoint is stored in another precision or has groups of its own, and for a group that
    kernels do not have.
    """
    if folder is None:
        return replace(PRESETS[preset], quantization_config=_quantized(precision, group))
    if group is not None:
        raise VL2Error(str(folder), "has groups of its own", got=f"--group {group}", do="Leave --group out.")
    config = VL2Config.from_file(folder / "config.json")
    stored, wanted = config.quantization_config, QUANTIZED.get(precision)
    if (stored and stored.bits) != (wanted and wanted.bits):
        raise VL2Error(
            str(folder), f"cannot be measured in {precision}",
            got=f"int{stored.bits}" if stored else None,
            do="Name the precision it is stored in." if stored else "Quantise it first.",
        )  # fmt: skip
    return config


def _quantized(precision: str, group: int | None) -> QuantizationConfig | None:
    config = QUANTIZED.get(precision)
    if config is None or group is None:
        return config
    return build(QuantizationConfig, asdict(config) | {"group": group}, thing="quantisation")


def check_precision(precision: str) -> None:
    """Raise VL2Error for a precision that this version cannot run."""
    if precision not in PRECISIONS:
        raise VL2Error(
            "precision", "cannot be run", got=precision, expected=", ".join(PRECISIONS),
            do=nearest(precision, PRECISIONS),
        )  # fmt: skip


def kernels_of(model: VL2) -> tuple[str, str]:
    """Name the code that runs the language model and the vision tower."""
    attention = "SDPA" if model.backends.attention is sdpa.attention else "matmul attention"
    experts = "sorted experts" if model.backends.experts is sorted_experts.routed_experts else "reference experts"
    language, vision = f"PyTorch, {attention}, {experts}", f"PyTorch, {attention}"
    return (
        "native" if isinstance(model.language, PackedLanguage) else language,
        "native" if isinstance(model.vision, PackedVision) else vision,
    )


class EngineContender:
    """A model as the engine's runner runs it: paged cache, prompts in chunks, one token a sequence and step."""

    def __init__(
        self, model: VL2, *, path: str, vision_path: str, weights: WeightBytes, cache_dtype: CacheDtype | None = None,
    ) -> None:  # fmt: skip
        self.model, self.path, self.weights = model, path, weights
        self.vision_path = vision_path
        self.slot_dtype = slot_dtype(model, cache_dtype)
        self._num_blocks = 0  # of the runner's cache
        self._runner: Runner | None = None
        self._sequences: list[Sequence] = []

    @torch.inference_mode()
    def vision(self, tiles: Tensor) -> Tensor:
        """Return patch features [N, P, C]."""
        return self.model.vision(tiles, self.model.backends)

    def prefill(self, ids: Tensor) -> Tensor:
        """Return the logits [V] behind a prompt [T]."""
        runner = self._start([ids.tolist()], room=0)
        (sequence,) = self._sequences
        logits: dict[int, Tensor] = {}
        for start in range(0, len(ids), STEP_TOKENS):
            with beside_kernels(self.model):
                logits = runner.run([Chunk(sequence, start, min(start + STEP_TOKENS, len(ids)))], {})
        return logits[0][-1]

    def hold(self, batch: int, context: int, room: int) -> None:
        """Start `batch` sequences behind `context` random tokens."""
        vocab_size = self.model.config.language_config.vocab_size
        runner = self._start(torch.randint(vocab_size, (batch, context)).tolist(), room)
        fill_like_cache(runner.cache)

    def decode(self, ids: Tensor) -> list[Tensor]:
        """Return the logits [V] behind one more token of each sequence; ids [B]."""
        if self._runner is None:
            raise RuntimeError("decode follows hold")
        chunks: list[Chunk] = []
        for sequence, token in zip(self._sequences, ids.tolist(), strict=True):
            sequence.tokens.append(token)
            chunks.append(Chunk(sequence, len(sequence.tokens) - 1, len(sequence.tokens)))
        with beside_kernels(self.model):
            logits = self._runner.run(chunks, {})
        return [logits[sequence.number][-1] for sequence in self._sequences]

    def read_bytes(self, context: int, batch: int) -> int:
        """Return what a step of `batch` sequences behind `context` tokens reads: weights, each once, and the cache."""
        language = self.model.config.language_config
        entry = entry_bytes(language.cache_width, language.cache_parts, self.slot_dtype)
        return self.weights.read(batch) + batch * context * language.num_hidden_layers * entry

    def _start(self, rows: list[list[int]], room: int) -> Runner:
        """Give each row its own run of blocks in a cache; a cache of the size is used again."""
        blocks_a_row = -(-(len(rows[0]) + room) // BLOCK_SIZE)
        num_blocks = len(rows) * blocks_a_row
        if self._runner is None or self._num_blocks != num_blocks:
            self._runner = None  # frees its cache before the next one is made
            newline = self.model.tile_newline
            cache = PagedCache.empty(
                self.model.config.language_config, num_blocks=num_blocks, dtype=self.slot_dtype, device=newline.device
            )
            self._runner, self._num_blocks = Runner(self.model, cache), num_blocks
        self._sequences = [
            Sequence(number=row, tokens=tokens, blocks=[1 + row * blocks_a_row + n for n in range(blocks_a_row)])
            for row, tokens in enumerate(rows)
        ]
        return self._runner
