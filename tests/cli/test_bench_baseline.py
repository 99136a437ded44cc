"""The baseline of the bench computes what the model computes: it loads an official checkpoint and says the same."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file

from tests.engine import tiny
from vl2.core.errors import VL2Error
from vl2.weights import save_model

SOURCE = Path(__file__).parents[2] / "bench" / "official_style.py"
BOUND = 1e-4  # float32


@pytest.fixture(scope="module")
def official_style() -> ModuleType:
    spec = importlib.util.spec_from_file_location("official_style", SOURCE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_baseline_equals_the_model(official_style: ModuleType, tmp_path: Path) -> None:
    model = tiny.tiny_model(tiny.MHA)
    save_model(model, tmp_path)
    baseline = official_style.OfficialStyle(tiny.MHA).eval()
    stored = {name: value for file in tmp_path.glob("*.safetensors") for name, value in load_file(file).items()}
    missing, unexpected = baseline.load_state_dict(stored, strict=False)
    assert not missing
    assert {name.split(".")[0] for name in unexpected} == {"image_newline", "view_seperator", "projector"}
    ids = torch.randint(tiny.MHA.language_config.vocab_size, (1, 30))
    tiles = torch.rand(2, 3, 96, 96) * 2 - 1
    with torch.inference_mode():
        positions, documents = torch.arange(30)[None], torch.ones_like(ids)
        states = model.language(model.language.embedding(ids), positions, documents, None, model.backends).states
        expected = model.logits(states)
        logits, past = baseline.language(ids[:, :20])
        assert torch.allclose(logits, expected[:, 19], atol=BOUND)
        for place in range(20, 30):
            logits, past = baseline.language(ids[:, place : place + 1], past)
            assert torch.allclose(logits, expected[:, place], atol=BOUND)
        assert torch.allclose(baseline.vision(tiles), model.vision(tiles, model.backends), atol=BOUND)


def test_it_is_a_contender(official_style: ModuleType) -> None:
    baseline = official_style.OfficialStyle(tiny.MHA).eval()
    assert baseline.prefill(torch.arange(5)).shape == (1, 267)
    baseline.hold(3, 7, 2)
    for _ in range(2):
        assert baseline.decode(torch.tensor([1, 2, 3])).shape == (3, 267)


def test_latent_attention_is_refused(official_style: ModuleType) -> None:
    with pytest.raises(VL2Error, match="MHA only"):
        official_style.OfficialStyle(tiny.MLA)
