"""Parameter counts of the paper's Table 1, and what an answer activates of them."""

from __future__ import annotations

import pytest
import torch

from vl2.model import PRESETS, VL2


def activated_parameters(model: VL2) -> int:
    """Return the language parameters that one token meets, without its input embedding."""
    language = model.config.language_config
    share = (language.num_experts_per_tok or 0) / (language.n_routed_experts or 1)
    return round(
        sum(
            parameter.numel() * (share if ".routed_experts." in name else 1)
            for name, parameter in model.language.named_parameters()
            if name != "embedding.weight"
        )
    )


@pytest.mark.parametrize(
    ("size", "billions", "activated_millions"), [("tiny", 3.37, 574), ("small", 16.15, 2451), ("base", 27.48, 4124)]
)
def test_sizes_are_those_of_the_paper(size, billions, activated_millions):
    with torch.device("meta"):
        model = VL2(PRESETS[size])
    assert round(sum(parameter.numel() for parameter in model.parameters()) / 1e9, 2) == billions
    assert round(activated_parameters(model) / 1e6) == activated_millions
    trunk = [parameter for name, parameter in model.vision.named_parameters() if not name.startswith("attention_pool.")]
    assert sum(parameter.numel() for parameter in trunk) == 412_987_248
