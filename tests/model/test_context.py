"""Longer contexts: what is stretched by how much, what stays as it is, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.engine import tiny
from vl2.core.batch import Batch
from vl2.core.errors import ConfigError
from vl2.core.tiles import TileGrid
from vl2.engine.answer import generate
from vl2.engine.request import Request
from vl2.engine.sampler import SamplingSettings
from vl2.model import PRESETS
from vl2.model.config import RopeScaling
from vl2.model.context import with_context
from vl2.model.rope import inverse_frequencies, rope_table, softmax_scale, table_scale
from vl2.weights import load_model
from vl2.weights.pack import pack_model

TINY, SMALL = PRESETS["tiny"], PRESETS["small"]
POSITIONS = torch.tensor([[0, 1, 4095, 4096, 16383]])


def scaling_of(config) -> RopeScaling:
    assert config.language_config.rope_scaling is not None
    return config.language_config.rope_scaling


def test_off_is_the_config_itself():
    assert with_context(TINY) is TINY


def test_linear_turns_as_a_position_divided_by_the_factor():
    config = with_context(TINY, 16384, "linear")
    assert config.language_config.max_position_embeddings == 16384
    scaling = scaling_of(config)
    plain = inverse_frequencies(128, 10000, None)
    found = rope_table(POSITIONS, inverse_frequencies(128, 10000, scaling), table_scale(scaling))
    expected = rope_table(POSITIONS / 4, plain, 1.0)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=2e-4, rtol=0)  # float32 angles of up to 4,096
    assert softmax_scale(128, scaling) == 128**-0.5


def test_yarn_keeps_what_turns_often_and_divides_what_turns_less_than_once():
    scaling = scaling_of(with_context(TINY, 16384, "yarn"))
    plain, found = inverse_frequencies(128, 10000, None), inverse_frequencies(128, 10000, scaling)
    # 32 turns within 4096 positions: 128 ln(4096 / 64 pi) / (2 ln 10000) = 20.9, down to 20; one turn: 45.03, up to 46
    kept = ((46 - torch.arange(64)) / 26).clamp(0, 1)
    torch.testing.assert_close(found, plain * (kept + (1 - kept) / 4))
    assert torch.equal(found[:21], plain[:21])
    torch.testing.assert_close(found[46:], plain[46:] / 4)


@pytest.mark.parametrize("config", [TINY, SMALL], ids=["mha", "mla"])
def test_yarn_sharpens_the_whole_score_once(config):
    scaling = scaling_of(with_context(config, 16384, "yarn"))
    temperature = (0.1 * math.log(4) + 1) ** 2
    if config.language_config.use_mla:  # the table turns only a part of the score
        assert table_scale(scaling) == 1
        assert softmax_scale(192, scaling) == pytest.approx(192**-0.5 * temperature)
    else:  # once for the query and once for the key
        assert table_scale(scaling) ** 2 == pytest.approx(temperature)


def test_a_stretched_checkpoint_is_stretched_further_in_its_own_way():
    own = RopeScaling(type="yarn", factor=4, original_max_position_embeddings=1024, mscale=0.7, mscale_all_dim=0.5)
    config = replace(SMALL, language_config=replace(SMALL.language_config, rope_scaling=own))
    assert scaling_of(with_context(config, 8192, "yarn")) == replace(own, factor=8)
    with pytest.raises(ConfigError, match=r"got linear, expected yarn"):
        with_context(config, 8192, "linear")


@pytest.mark.parametrize(
    ("max_context", "rope_scaling", "message"),
    [
        (8192, None, "more than the model was trained for .got 8192, expected at most 4096.. Say how"),
        (None, "yarn", "needs a longer context"),
        (4096, "yarn", "nothing to stretch"),
        (2048, "linear", "nothing to stretch"),
        (8192, "yarm", "Did you mean 'yarn'"),
        (0, None, "out of range"),
        (-5, "yarn", "out of range"),
        (8192.5, "yarn", "out of range"),
        (True, None, "out of range"),
        (4096 * 33, "yarn", "out of range"),
    ],
)
def test_nonsense_is_refused(max_context, rope_scaling, message):
    with pytest.raises(ConfigError, match=message):
        with_context(TINY, max_context, rope_scaling)


def test_short_contexts_are_the_same_when_it_is_off(tmp_path: Path):
    directory = tiny.write_checkpoint(tmp_path / "model")
    batch = Batch.from_inputs([[tiny.prompt(tiny.byte_tokenizer(), "How many, and where?")]], pad_id=0)

    def logits(**options):
        with torch.inference_mode():
            return load_model(directory, **options)(batch).logits

    plain = logits()
    assert torch.equal(plain, logits(max_context=1000))  # a lower limit changes no number
    stretched = [logits(max_context=8192, rope_scaling=kind) for kind in ("linear", "yarn")]
    assert not any(torch.allclose(plain, one, atol=1e-4) for one in stretched)
    with pytest.raises(ConfigError, match="trained for"):
        logits(max_context=8192)


@pytest.mark.parametrize("kind", ["yarn", "linear"])
@pytest.mark.parametrize("name", ["mla", "mha"])
def test_beyond_the_trained_context_the_engine_says_what_one_pass_says(name: str, kind):
    tokenizer, config = tiny.byte_tokenizer(), tiny.CONFIGS[name]
    trained = replace(config, language_config=replace(config.language_config, max_position_embeddings=64))
    stretched = with_context(trained, 256, kind)
    prompt = tiny.prompt(tokenizer, "\nWhat does the sign on the left say?", (TileGrid(1, 2),))
    request = Request(prompt=prompt, settings=SamplingSettings(max_new_tokens=6))
    assert len(prompt.input_ids) > 2 * 64
    model = tiny.tiny_model(stretched)
    whole = prompt
    said: list[int] = []
    with torch.inference_mode():
        for _ in range(6):
            said.append(int(model(Batch.from_inputs([[whole]], pad_id=0)).logits[0, -1].argmax()))
            ids = torch.cat((whole.input_ids, torch.tensor(said[-1:])))
            mask = torch.cat((whole.image_mask, torch.tensor([False])))
            whole = replace(whole, input_ids=ids, labels=ids, image_mask=mask)
    assert tokenizer.eos_id not in said
    for own in (model, pack_model(tiny.tiny_model(stretched))):
        assert list(generate(own, tokenizer, [request], chunk_size=50)[0].token_ids) == said
