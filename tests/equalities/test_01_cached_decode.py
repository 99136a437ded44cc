"""Cached decode = full forward."""

import pytest
import torch

from tests.engine import tiny
from vl2.core.batch import Batch
from vl2.core.tiles import TileGrid
from vl2.engine.cache import PagedCache
from vl2.engine.encode import encode_images
from vl2.engine.runner import Runner, embed_chunk
from vl2.engine.scheduler import Chunk
from vl2.engine.sequence import Sequence

TOLERANCE = 1e-4  # float32; logits have a deviation of about 0.6


@pytest.mark.parametrize("name", tiny.NAMES)
@torch.inference_mode()
def test_cached_decode_equals_full_forward(name: str) -> None:
    model, tokenizer = tiny.model_called(name), tiny.byte_tokenizer()
    whole = tiny.prompt(tokenizer, "\nA question and its answer.", (TileGrid(1, 2),))
    full = model(Batch.from_inputs([[whole]], tokenizer.pad_id)).logits[0]  # [T, V]

    num_answer = 12
    length = len(whole.input_ids) - num_answer
    cache = PagedCache.empty(model.config.language_config, num_blocks=40, dtype=torch.float32, device="cpu")
    runner = Runner(model, cache)
    visual = torch.cat(encode_images(model, whole.tiles, whole.grids))
    sequence = Sequence(number=0, tokens=whole.input_ids[:length].tolist(), blocks=list(range(40, 0, -1)))
    prompt = Chunk(sequence, 0, length)
    found = [runner.run([prompt], {0: embed_chunk(model, prompt, whole.image_mask, visual)})[0]]
    for position in range(length, length + num_answer):
        sequence.tokens.append(int(whole.input_ids[position]))
        found.append(runner.run([Chunk(sequence, position, position + 1)], {})[0])

    torch.testing.assert_close(torch.cat(found), full[length - 1 :], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", tiny.NAMES)
@torch.inference_mode()
def test_a_view_of_the_cache_serves_the_model_directly(name: str) -> None:
    model, tokenizer = tiny.model_called(name), tiny.byte_tokenizer()
    batch = Batch.from_inputs([[tiny.prompt(tokenizer, "Hello there")], [tiny.prompt(tokenizer, "Hi")]], 2)
    cache = PagedCache.empty(model.config.language_config, num_blocks=2, dtype=torch.float32, device="cpu")
    positions = torch.arange(batch.input_ids.shape[1]).expand_as(batch.input_ids)
    cached = model(Batch(**{**vars(batch), "positions": positions}), cache.view([[2], [1]], 16)).logits
    full = model(batch).logits
    is_text = batch.documents > 0
    torch.testing.assert_close(cached[is_text], full[is_text], atol=TOLERANCE, rtol=0)
