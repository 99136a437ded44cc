"""Defaults of the official classes, and files that cannot be meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.model.official import OFFICIAL_FIELDS
from vl2.core.errors import ConfigError
from vl2.model import PRESETS, VL2Config

RECORDED = Path(__file__).parents[1] / "fixtures" / "parity"


def config_of(**changes: object) -> VL2Config:
    values = json.loads((RECORDED / "b_small_mla" / "checkpoint" / "config.json").read_text(encoding="utf-8"))
    values["language_config"] |= changes
    return VL2Config.from_dict(values)


@pytest.mark.parametrize("size", OFFICIAL_FIELDS)
def test_fields_left_out_take_the_official_defaults(size):
    config = VL2Config.from_dict(OFFICIAL_FIELDS[size])
    assert config.language_config == PRESETS[size].language_config
    assert config.vision_config == PRESETS[size].vision_config
    assert config.projector_config == PRESETS[size].projector_config


def test_an_empty_language_config_is_the_class_default():
    language = VL2Config().language_config
    assert (language.vocab_size, language.hidden_size, language.num_hidden_layers) == (102400, 4096, 30)
    assert (language.kv_lora_rank, language.q_lora_rank) == (512, 1536)
    assert (language.qk_nope_head_dim, language.qk_rope_head_dim, language.v_head_dim) == (128, 64, 128)
    assert (language.topk_method, language.use_mla, language.bos_token_id) == ("gready", True, 100000)


def test_the_candidates_are_all_grids_of_nine_tiles():
    candidates = PRESETS["tiny"].candidate_resolutions
    assert len(candidates) == 23
    assert candidates[:5] == ((384, 384), (384, 768), (768, 384), (384, 1152), (1152, 384))
    values = json.loads((RECORDED / "b_small_mla" / "checkpoint" / "config.json").read_text(encoding="utf-8"))
    assert candidates == tuple(map(tuple, values["candidate_resolutions"]))


def test_a_cache_entry_is_a_latent_and_a_rope_key_or_keys_and_values():
    assert PRESETS["small"].language_config.cache_width == 512 + 64
    assert PRESETS["tiny"].language_config.cache_width == 2 * 1280


def test_the_first_layers_are_dense():
    language = PRESETS["tiny"].language_config
    assert [language.is_moe_layer(layer) for layer in range(3)] == [False, True, True]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hiden_size": 3}, "Did you mean 'hidden_size'"),
        ({"topk_method": "gready"}, "routes nowhere"),
        ({"hidden_size": 96}, "differ in width"),
        ({"num_key_value_heads": 2}, "grouped key heads"),
        ({"scoring_func": "tanh"}, "scoring_func"),
        ({"vocab_size": "many"}, "vocab_size"),
        ({"num_experts_per_tok": 600}, "num_experts_per_tok is out of range"),
        ({"n_group": 5}, "do not divide into groups"),
    ],
)
def test_an_impossible_config_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        config_of(**changes)
