"""Write the peer's models: GGUF files of Tiny's true shape and random weights, for llama.cpp.

Needs `gguf` and numpy, nothing of vl2: `PEER_PYTHON bench/peer_gguf.py OUT_DIR [--kinds bf16,q8_0,q4_0]`. Writes
tiny-bf16.gguf (5.9 GB), tiny-q8_0.gguf (3.1 GB) and tiny-q4_0.gguf (1.7 GB); every matrix is of the file's kind,
embeddings and head too. Routers and norms are float32, as the converters of the peer leave them.
"""

from __future__ import annotations

import argparse
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

KINDS = {
    "bf16": (gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "q4_0": (gguf.GGMLQuantizationType.Q4_0, gguf.LlamaFileType.MOSTLY_Q4_0),
}
FLOAT32 = gguf.GGMLQuantizationType.F32
SPARE_BYTES = 2**30
BLOCK_NUMBERS = 15_485_863  # a prime: no two rows or experts of a repeated block are alike
WEIGHT_STD, EMBEDDING_STD = 0.02, 1.0  # embeddings stand out, so that tokens take different experts
CONTEXT, ROPE_THETA, NORM_EPS = 4096, 10000.0, 1e-6


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The language model of DeepSeek-VL2-Tiny: MHA, a dense first layer, then routed and shared experts."""

    width: int = 1280
    layers: int = 12
    heads: int = 10
    dense_hidden: int = 6848
    experts: int = 64
    top_k: int = 6
    expert_hidden: int = 896
    shared_experts: int = 2
    vocab: int = 129280


@dataclass(frozen=True)
class Entry:
    """One tensor: its name, its shape with the rows last but one, and how wide its numbers spread."""

    name: str
    shape: tuple[int, ...]
    std: float
    is_plain: bool = False  # float32 in every file

    def kind(self, matrices: gguf.GGMLQuantizationType) -> gguf.GGMLQuantizationType:
        """Return how it is stored in a file whose matrices are of a kind."""
        return FLOAT32 if self.is_plain else matrices

    def num_bytes(self, matrices: gguf.GGMLQuantizationType) -> int:
        """Return its size in a file whose matrices are of a kind."""
        numbers, size = gguf.GGML_QUANT_SIZES[self.kind(matrices)]
        return math.prod(self.shape) // numbers * size


def entries(shape: Shape) -> Iterator[Entry]:
    """Yield all tensors in the order of the file."""
    width, shared = shape.width, shape.shared_experts * shape.expert_hidden
    yield Entry("token_embd.weight", (shape.vocab, width), EMBEDDING_STD)
    for layer in range(shape.layers):
        block = f"blk.{layer}"
        for name in ("attn_norm", "ffn_norm"):
            yield Entry(f"{block}.{name}.weight", (width,), 0.0, is_plain=True)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            yield Entry(f"{block}.{name}.weight", (width, width), WEIGHT_STD)
        if layer == 0:
            for name in ("ffn_gate", "ffn_up"):
                yield Entry(f"{block}.{name}.weight", (shape.dense_hidden, width), WEIGHT_STD)
            yield Entry(f"{block}.ffn_down.weight", (width, shape.dense_hidden), WEIGHT_STD)
            continue
        yield Entry(f"{block}.ffn_gate_inp.weight", (shape.experts, width), width**-0.5, is_plain=True)
        for name in ("ffn_gate_exps", "ffn_up_exps"):
            yield Entry(f"{block}.{name}.weight", (shape.experts, shape.expert_hidden, width), WEIGHT_STD)
        yield Entry(f"{block}.ffn_down_exps.weight", (shape.experts, width, shape.expert_hidden), WEIGHT_STD)
        for name in ("ffn_gate_shexp", "ffn_up_shexp"):
            yield Entry(f"{block}.{name}.weight", (shared, width), WEIGHT_STD)
        yield Entry(f"{block}.ffn_down_shexp.weight", (width, shared), WEIGHT_STD)
    yield Entry("output_norm.weight", (width,), 0.0, is_plain=True)
    yield Entry("output.weight", (shape.vocab, width), WEIGHT_STD)


class Numbers:
    """Random numbers at the speed of memory: one block, read on and on from where the last tensor ended."""

    def __init__(self, seed: int) -> None:
        self.block = np.random.default_rng(seed).standard_normal(BLOCK_NUMBERS, dtype=np.float32)
        self.place = 0

    def take(self, entry: Entry) -> np.ndarray:
        """Return the values of a tensor; a norm is all ones."""
        if entry.std == 0.0:
            return np.ones(entry.shape, dtype=np.float32)
        count = math.prod(entry.shape)
        values = np.resize(np.roll(self.block, -self.place), count)
        self.place = (self.place + count) % BLOCK_NUMBERS
        values *= np.float32(entry.std)
        return values.reshape(entry.shape)


def write(path: Path, kind: str, shape: Shape, seed: int = 0) -> None:
    """Write one file; one tensor at a time is in memory."""
    matrices, file_type = KINDS[kind]
    writer = gguf.GGUFWriter(path, "deepseek2-ocr")
    describe(writer, shape, file_type)
    numbers = Numbers(seed)
    for entry in entries(shape):
        stored = entry.kind(matrices)
        size = entry.num_bytes(matrices)
        packed = entry.shape if entry.is_plain else gguf.quant_shape_to_byte_shape(entry.shape, stored)
        writer.add_tensor_info(entry.name, packed, np.dtype(np.float32 if entry.is_plain else np.uint8), size, stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for entry in entries(shape):
        values = numbers.take(entry)
        writer.write_tensor_data(values if entry.is_plain else gguf.quants.quantize(values, entry.kind(matrices)))
    writer.close()


def describe(writer: gguf.GGUFWriter, shape: Shape, file_type: gguf.LlamaFileType) -> None:
    """Write the shape; there is no tokenizer, token ids are given as numbers."""
    writer.add_file_type(file_type)
    writer.add_block_count(shape.layers)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.dense_hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_freq_base(ROPE_THETA)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_layer_norm_rms_eps(NORM_EPS)
    writer.add_leading_dense_block_count(1)
    writer.add_expert_count(shape.experts)
    writer.add_expert_used_count(shape.top_k)
    writer.add_expert_feed_forward_length(shape.expert_hidden)
    writer.add_expert_shared_count(shape.shared_experts)
    writer.add_expert_weights_scale(1.0)
    writer.add_expert_weights_norm(False)
    writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SOFTMAX)
    writer.add_vocab_size(shape.vocab)
    writer.add_tokenizer_model("no_vocab")


def main() -> None:
    """Write the files that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--layers", type=int, default=Shape().layers, help="fewer make a quick trial")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    shape = Shape(layers=arguments.layers)
    for kind in arguments.kinds.split(","):
        path = arguments.folder / f"tiny-{kind}.gguf"
        if path.exists():
            continue
        needed = sum(entry.num_bytes(KINDS[kind][0]) for entry in entries(shape))
        if shutil.disk_usage(arguments.folder).free < needed + SPARE_BYTES:
            raise SystemExit(f"{path}: no room for {needed / 1e9:.1f} GB")
        draft = path.with_suffix(".part")
        write(draft, kind, shape)
        draft.rename(path)
        print(f"{path}: {path.stat().st_size / 1e9:.2f} GB", flush=True)


if __name__ == "__main__":
    main()
