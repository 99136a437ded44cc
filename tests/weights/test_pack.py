"""A packed model computes what the plain one does, on every recorded routing and attention, alone and in the engine."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import torch
from torch import nn

from vl2.core.batch import Batch
from vl2.core.errors import VL2Error
from vl2.engine.cache import PagedCache
from vl2.kernels.native.layers import Rope, Rows
from vl2.kernels.native.library import library
from vl2.kernels.native.packed import PackedWeight
from vl2.kernels.quantized import quantize
from vl2.kernels.quantized_linear import QuantizedEmbedding
from vl2.model import VL2
from vl2.weights import find_checkpoint, load_model
from vl2.weights.pack import PackedLanguage, pack_model

pytestmark = pytest.mark.skipif(library() is None, reason="no C++ compiler")

RECORDED = Path(__file__).parents[1] / "fixtures" / "parity"
NAMES = ("a_tiny_mha", "b_small_mla", "c_base_noaux", "d_qlora_yarn_group")
TOLERANCE = 1e-4  # float32; logits have a deviation of about 5
LENGTHS = (37, 30)


def batch() -> Batch:
    ids = torch.arange(2 * LENGTHS[0]).view(2, -1) * 7 + 11
    documents = (torch.arange(LENGTHS[0]) < torch.tensor(LENGTHS)[:, None]).long()
    positions = torch.arange(LENGTHS[0]).expand_as(ids)
    return Batch(ids, positions, documents, torch.zeros_like(ids, dtype=torch.bool), None)


def part(whole: Batch, start: int, stop: int) -> Batch:
    chosen = slice(start, stop)
    return Batch(
        whole.input_ids[:, chosen], whole.positions[:, chosen], torch.ones_like(whole.documents[:, chosen]),
        whole.image_mask[:, chosen], None,
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_logits_and_patch_features_are_the_same(name: str) -> None:
    model, whole = load_model(RECORDED / name / "checkpoint", dtype=torch.float32), batch()
    size = model.config.vision_config.image_size
    tiles = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    real = whole.documents.bool()
    logits, features = model(whole).logits, model.vision(tiles, model.backends)
    pack_model(model)
    assert isinstance(model.language, PackedLanguage)
    torch.testing.assert_close(model(whole).logits[real], logits[real], atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(model.vision(tiles, model.backends), features, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_cached_and_chunked_is_whole(name: str) -> None:
    model, whole = pack_model(load_model(RECORDED / name / "checkpoint", dtype=torch.float32)), batch()
    cache = PagedCache.empty(model.config.language_config, num_blocks=6, dtype=torch.float32, device="cpu")
    tables, steps = [[1, 3, 5], [6, 4, 2]], [(0, 20), (20, 33), (33, 34), (34, 37)]  # both forms of MLA
    found = torch.cat([model(part(whole, *step), cache.view(tables, step[1])).logits for step in steps], dim=1)
    expected, real = model(whole).logits, whole.documents.bool()
    torch.testing.assert_close(found[real], expected[real], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_a_row_is_the_same_bit_for_bit_whatever_else_is_computed(name: str) -> None:
    model, whole = pack_model(load_model(RECORDED / name / "checkpoint", dtype=torch.float32)), batch()
    config = model.config.language_config

    def decode(rows: list[int]) -> torch.Tensor:
        cache = PagedCache.empty(config, num_blocks=6, dtype=torch.float32, device="cpu")
        tables = [[[1, 3, 5], [6, 4, 2]][row] for row in rows]
        out = []
        for start, stop in ((0, 20), (20, 21), (21, 30)):
            step = part(whole, start, stop)
            chosen = Batch(*(value[rows] for value in list(vars(step).values())[:4]), None)
            out.append(model(chosen, cache.view(tables, stop)).logits)
        return torch.cat(out, dim=1)

    together = decode([0, 1])
    for row in (0, 1):
        assert torch.equal(decode([row])[0], together[row])


@pytest.mark.parametrize("name", ["pocket", "a_tiny_mha"])
@torch.inference_mode()
def test_a_cache_of_eight_bits_is_the_same_as_its_twin(name: str) -> None:
    """Steps of a few tokens look straight into the cache, in float32 throughout."""
    directory = find_checkpoint("pocket") if name == "pocket" else RECORDED / name / "checkpoint"
    whole, found, tables = batch(), [], [[1, 3, 5], [6, 4, 2]]
    for is_packed in (False, True):
        model = load_model(directory, dtype=torch.float32)
        model = pack_model(model) if is_packed else model
        cache = PagedCache.empty(model.config.language_config, num_blocks=6, dtype=torch.int8, device="cpu")
        logits = [
            model(part(whole, start, min(start + 5, 37)), cache.view(tables, min(start + 5, 37))).logits
            for start in range(0, 37, 5)
        ]
        found.append((torch.cat(logits, dim=1), cache.slots))
    (plain, twin), (packed, slots) = found
    width = model.config.language_config.cache_width
    differ = (slots[:, :, :width].int() - twin[:, :, :width].int()).abs()
    differ[:, : cache.block_size] = 0  # the scrap block is nobody's
    # A number that lies between two codes may fall to either side: sums differ by 5e-7, and a code is 0.02 wide, so one
    # in 20,000 does. Later layers see what it did. There are 12,288 numbers a layer: a few may.
    assert differ.max() <= 1
    shares = differ.float().mean(dim=(1, 2))  # [layers]
    assert max(shares[: 1 + int((shares > 0).int().argmax())]) < 5e-4
    # tokens that see no such number are the same
    places = cache.view(tables, 37).places  # [B, T]
    is_same = differ.sum(dim=(0, 2))[places].cumsum(1) == 0
    chosen = whole.documents.bool() & is_same
    assert chosen.sum() > 10
    assert (packed - plain)[chosen].abs().max() < TOLERANCE


@torch.inference_mode()
def test_bfloat16_is_as_near_to_float32_as_torch_is() -> None:
    directory, whole = RECORDED / "a_tiny_mha" / "checkpoint", batch()
    real = whole.documents.bool()
    exact = load_model(directory, dtype=torch.float32)(whole).logits[real]
    half = load_model(directory, dtype=torch.bfloat16)
    plain = (half(whole).logits[real] - exact).pow(2).mean().sqrt()
    packed = (pack_model(half)(whole).logits[real] - exact).pow(2).mean().sqrt()
    assert float(packed) <= 1.1 * float(plain)


def test_the_plain_weights_are_gone() -> None:
    model = load_model(RECORDED / "b_small_mla" / "checkpoint", dtype=torch.float32)
    pack_model(model)
    gc.collect()
    left = sum(value.nbytes for value in model.parameters())
    small = model.language.embedding.weight.nbytes + sum(v.nbytes for v in model.adaptor.parameters())
    small += sum(v.nbytes for v in model.vision.parameters())
    assert left <= small + 4 * (model.tile_newline.nbytes + model.view_separator.nbytes)


@torch.inference_mode()
def test_steps_that_would_leave_the_cache_are_refused() -> None:
    model: VL2 = pack_model(load_model(RECORDED / "a_tiny_mha" / "checkpoint", dtype=torch.float32))
    stack, config = model.language.stack, model.config.language_config
    slots = torch.zeros(config.num_hidden_layers, 32, config.cache_width)
    x, good = torch.zeros(3, config.hidden_size), [[1]]

    def rope(positions: int) -> Rope:
        cos = torch.ones(positions, stack.rotated)
        return stack.rope(cos, cos)

    def run(
        counts: list[int], starts: list[int], tables: list[list[int]] = good, slots: torch.Tensor = slots,
        x: torch.Tensor = x, positions: int = 16,
    ) -> torch.Tensor:  # fmt: skip
        return stack.run(x, rope(positions), Rows(counts, starts, tables), stack.room(slots, 16))

    def logits(ids: list[int], counts: tuple[int, ...] = (3,), head: PackedWeight = model.language.head.packed) -> None:
        stack.logits(ids, model.language.embeddings, rope(16), Rows(counts, [0], good), stack.room(slots, 16), head)

    run([3], [0])
    logits([0, 1, config.vocab_size - 1])
    run([3], [0], [[1, 99]])  # a block that no row looks at
    for wrong in (
        lambda: run([2], [0]),  # fewer rows than embeddings
        lambda: run([3], [14], positions=32),  # beyond the table
        lambda: run([3], [0], [[2]]),  # beyond the cache
        lambda: run([3], [0], [[-1]]),
        lambda: run([3], [-1]),
        lambda: run([3], [0], [[]]),
        lambda: run([2, 1], [0, 0]),  # fewer tables than sequences
        lambda: run([2, 1], [0], good * 2),
        lambda: run([0, 3], [0, 0], good * 2),
        lambda: stack.room(slots, 0),
        lambda: stack.rope(torch.ones(16, stack.rotated), torch.ones(8, stack.rotated)),
        lambda: stack.rope(*[torch.ones(16, stack.rotated + 2)] * 2),
        lambda: stack.rope(*[torch.ones(stack.rotated, 16).T] * 2),
        lambda: stack.rope(*[torch.ones(16, stack.rotated, dtype=torch.bfloat16)] * 2),
        lambda: run([3], [0], slots=slots.half()),
        lambda: run([3], [0], slots=slots[:, :, :-1]),
        lambda: run([3], [0], slots=slots[:-1]),
        lambda: run([3], [0], x=x[:, :-1]),
        lambda: run([3], [0], positions=2),
        lambda: logits([0, 1]),
        lambda: logits([0, 1, 2, 3]),
        lambda: logits([0, -1, 2]),
        lambda: logits([0, 1, config.vocab_size]),
        lambda: logits([0, 1, 2], head=PackedWeight.from_float(torch.zeros(5, config.hidden_size - 1))),
    ):
        with pytest.raises(VL2Error):
            wrong()
    with pytest.raises(OverflowError):
        run([3], [0], [[1 + 2**32]])  # block 1 in 32 bits


def quantized(embedding: nn.Embedding, bits: int, dtype: torch.dtype) -> QuantizedEmbedding:
    out = QuantizedEmbedding(embedding, bits, 32, dtype)
    found = quantize(embedding.weight.float(), bits, 32)
    out.weight.codes.copy_(found.codes)
    out.weight.scales.copy_(found.scales)
    return out


@torch.inference_mode()
@pytest.mark.parametrize("bits", [None, 8, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["a_tiny_mha", "b_small_mla"])
def test_decode_is_a_forward_pass_of_one_token_a_row(name: str, dtype: torch.dtype, bits: int | None) -> None:
    plain = load_model(RECORDED / name / "checkpoint", dtype=dtype)
    if bits is not None:
        plain.language.embedding = quantized(plain.language.embedding, bits, dtype)
    model: VL2 = pack_model(plain)
    found = []
    for way in ("forward", "decode"):
        torch.manual_seed(0)
        cache = PagedCache.empty(
            model.config.language_config, num_blocks=6, dtype=torch.float32, device="cpu", block_size=8
        )
        cache.slots.normal_()  # what earlier tokens left
        ids, starts, tables = [7, 11, 5], [9, 0, 15], [[1, 3], [6], [4, 2]]
        if way == "decode":
            room = model.language.stack.room(cache.slots, cache.block_size)
            logits = model.language.decode(ids, starts, tables, room)
        else:
            embeds = model.language.embedding(torch.tensor(ids)[:, None]).float()
            places, ones = torch.tensor(starts)[:, None], torch.ones(3, 1, dtype=torch.long)
            states = model.language(embeds, places, ones, cache.view(tables, 16), model.backends).states
            logits = model.logits(states)[:, 0]
        found.append((logits, cache.slots))
    (logits, slots), (theirs, their_slots) = found
    assert torch.equal(logits, theirs) and logits.shape == (3, model.config.language_config.vocab_size)
    assert torch.equal(slots, their_slots)


def test_packed_documents_are_refused() -> None:
    model, whole = pack_model(load_model(RECORDED / "a_tiny_mha" / "checkpoint", dtype=torch.float32)), batch()
    whole.documents[0, 20:] = 2
    with pytest.raises(VL2Error, match="only an unpacked model trains"):
        model(whole)
