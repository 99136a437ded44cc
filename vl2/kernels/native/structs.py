"""The structures of the C interface, field by field as in the headers beside this file."""

from __future__ import annotations

from ctypes import POINTER, Structure, c_float, c_int32, c_int64, c_void_p


class Weight(Structure):
    """A weight in tiles (tiles.h)."""

    _fields_ = [
        *[(name, c_int32) for name in ("format", "group", "input_bits")],
        *[(name, c_int64) for name in ("rows", "cols", "num_inputs")],
        ("data", c_void_p), ("scales", c_void_p), ("bias", c_void_p), ("stride", c_int64), ("scale_stride", c_int64),
    ]  # fmt: skip


class MlpWeights(Structure):
    """One gated MLP, or a stack of them (experts.h)."""

    _fields_ = [("gate", Weight), ("up", Weight), ("down", Weight)]


class LearnedExperts(Structure):
    """Experts that learn, and the rows that chose them (learned_experts.h)."""

    _fields_ = [
        *[(name, c_void_p) for name in ("x", "tokens", "weights", "ends", "gate", "up", "down", "gated", "raised")],
        *[(name, c_int64) for name in ("num_experts", "width", "hidden")],
    ]


class LearnedGradients(Structure):
    """Where their gradients go (learned_experts.h)."""

    _fields_ = [(name, c_void_p) for name in ("gate", "up", "down", "x", "weights")]


class LearnedAttention(Structure):
    """Attention that learns, and the documents within which it looks (learned_attention.h)."""

    _fields_ = [
        *[(name, c_void_p) for name in ("query", "key", "value")],
        *[(name, c_int64 * 3) for name in ("query_at", "key_at", "value_at")],  # strides of row, head and token
        ("documents", c_void_p),
        *[(name, c_int64) for name in ("num_documents", "heads", "tokens", "key_dim", "value_dim")],
        ("scale", c_float), ("is_causal", c_int32), ("out", c_void_p), ("sums", c_void_p),
    ]  # fmt: skip


class AttentionGradients(Structure):
    """The gradient that came, and where those of the inputs go (learned_attention.h)."""

    _fields_ = [(name, c_void_p) for name in ("out", "query", "key", "value")]


class Routing(Structure):
    """How a router chooses (router.h)."""

    _fields_ = [
        *[(name, c_int32) for name in ("num_experts", "top_k", "is_sigmoid", "normalises")],
        *[(name, c_int32) for name in ("groups", "kept_groups", "best_of_group")],
        ("outside", c_float), ("scaling", c_float),
    ]  # fmt: skip


class Layer(Structure):
    """One layer of the language model (language.h)."""

    _fields_ = [
        ("attention_norm", c_void_p), ("mlp_norm", c_void_p), ("qkv", Weight),
        ("query_down", Weight), ("query_up", Weight), ("query_norm", c_void_p),
        ("latent_down", Weight), ("latent_up", Weight), ("latent_norm", c_void_p),
        ("key_up", Weight), ("value_up", Weight), ("output", Weight),
        ("is_moe", c_int32), ("router", Weight), ("expert_bias", c_void_p),
        ("mlp", MlpWeights), ("shared", MlpWeights),
    ]  # fmt: skip


class Language(Structure):
    """The language model without embeddings and head (language.h)."""

    _fields_ = [
        *[(name, c_int32) for name in ("num_layers", "width", "heads", "head_dim")],
        *[(name, c_int32) for name in ("is_latent", "rank", "nope", "rope", "value_dim")],
        *[(name, c_float) for name in ("eps", "latent_eps", "scale")],
        ("routing", Routing), ("layers", POINTER(Layer)), ("norm", c_void_p),
    ]  # fmt: skip


class Table(Structure):
    """A table of embeddings as it is stored (embeddings.h)."""

    _fields_ = [
        *[(name, c_int32) for name in ("format", "group", "is_rounded")],
        ("width", c_int64), ("row_bytes", c_int64), ("data", c_void_p), ("scales", c_void_p),
    ]  # fmt: skip


class Rows(Structure):
    """The rows of one sequence in a step (language.h)."""

    _fields_ = [("first", c_int64), ("count", c_int64), ("position", c_int64), ("table", POINTER(c_int32))]


class Step(Structure):
    """What one call computes (language.h)."""

    _fields_ = [
        ("x", c_void_p), ("ids", POINTER(c_int64)), ("embeddings", POINTER(Table)),
        ("num_rows", c_int64), ("num_sequences", c_int64), ("sequences", POINTER(Rows)),
        ("cos", c_void_p), ("sin", c_void_p), ("cache", c_void_p), ("layer_bytes", c_int64), ("slot_bytes", c_int64),
        ("block_size", c_int64), ("num_slots", c_int64), ("cache_format", c_int32), ("cache_group", c_int32),
        ("head", POINTER(Weight)), ("logits", c_void_p),
    ]  # fmt: skip


class Block(Structure):
    """One block of the vision tower (vision.h)."""

    _fields_ = [
        *[(name, c_void_p) for name in ("attention_norm", "attention_norm_bias", "mlp_norm", "mlp_norm_bias")],
        *[(name, Weight) for name in ("qkv", "output", "up", "down")],
    ]


class Vision(Structure):
    """The blocks of the vision tower (vision.h)."""

    _fields_ = [
        *[(name, c_int32) for name in ("num_blocks", "width", "heads", "patches")],
        ("eps", c_float), ("blocks", POINTER(Block)),
    ]  # fmt: skip
