"""Sampling against cases computed by hand."""

import math

import pytest
import torch

from vl2.core.errors import ConfigError
from vl2.engine.sampler import (
    Sampler,
    SamplingSettings,
    draw,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    likeliest,
    penalize,
)

LOGITS = torch.tensor([0.5, 0.25, 0.125, 0.125]).log()  # probabilities 1/2, 1/4, 1/8, 1/8


def kept(logits: torch.Tensor) -> list[int]:
    return logits.isfinite().nonzero().flatten().tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_likeliest_is_the_first_of_equals(dtype: torch.dtype) -> None:
    assert likeliest(torch.tensor([1.0, 3.0, -math.inf, 3.0]).to(dtype)) == 1
    logits = torch.randn(5000, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert likeliest(logits) == int((logits == logits.max()).nonzero()[0])
    assert likeliest(logits[::2]) == int((logits[::2] == logits[::2].max()).nonzero()[0])


def test_penalty_divides_positive_and_multiplies_negative_logits() -> None:
    logits = torch.tensor([2.0, -2.0, 3.0, 0.0])
    seen = torch.tensor([True, True, False, True])
    assert penalize(logits, seen, 2.0).tolist() == [1.0, -4.0, 3.0, 0.0]


@pytest.mark.parametrize(("top_k", "expected"), [(0, [0, 1, 2, 3]), (1, [0]), (2, [0, 1]), (9, [0, 1, 2, 3])])
def test_top_k(top_k: int, expected: list[int]) -> None:
    assert kept(keep_top_k(LOGITS, top_k)) == expected


def test_top_k_keeps_ties() -> None:
    assert kept(keep_top_k(LOGITS, 3)) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("top_p", "expected"),
    [(1e-9, [0]), (0.49, [0]), (0.51, [0, 1]), (0.74, [0, 1]), (0.8, [0, 1, 2]), (1, [0, 1, 2, 3])],
)
def test_top_p_keeps_the_fewest_that_reach_it(top_p: float, expected: list[int]) -> None:
    assert kept(keep_top_p(LOGITS, top_p)) == expected


@pytest.mark.parametrize(("min_p", "expected"), [(0, [0, 1, 2, 3]), (0.2, [0, 1, 2, 3]), (0.4, [0, 1]), (0.9, [0])])
def test_min_p_is_a_share_of_the_largest(min_p: float, expected: list[int]) -> None:
    assert kept(keep_min_p(LOGITS, min_p)) == expected


@pytest.mark.parametrize(
    ("uniform", "expected"), [(0.0, 0), (0.499, 0), (0.501, 1), (0.749, 1), (0.76, 2), (0.88, 3), (1 - 2**-53, 3)]
)
def test_draw_follows_the_cumulative_probability(uniform: float, expected: int) -> None:
    assert int(draw(LOGITS, uniform)) == expected


def test_draw_never_takes_a_dropped_token() -> None:
    logits = torch.tensor([-math.inf, 0.0, -math.inf, 0.0, -math.inf])
    assert {int(draw(logits, uniform)) for uniform in (0.0, 0.25, 0.5, 0.75, 1 - 2**-53)} == {1, 3}


def test_greedy_takes_the_largest_and_uses_the_penalty() -> None:
    prompt = torch.tensor([0, 0, 3])
    assert int(Sampler(SamplingSettings(), prompt, 4).choose(LOGITS)) == 0
    sampler = Sampler(SamplingSettings(repetition_penalty=1.5), prompt, 4)
    logits = torch.tensor([3.0, 2.9, 2.8, 2.7])
    assert [int(sampler.choose(logits)) for _ in range(3)] == [1, 2, 0]  # each answer token is penalized in its turn


def test_temperature_sharpens() -> None:
    counts = torch.zeros(4)
    sampler = Sampler(SamplingSettings(temperature=0.5, seed=1), torch.tensor([0]), 4)
    for _ in range(4000):
        counts[sampler.choose(LOGITS)] += 1
    # squared and normalised: 16/22, 4/22, 1/22, 1/22
    torch.testing.assert_close(counts / 4000, torch.tensor([16, 4, 1, 1]) / 22, atol=0.025, rtol=0)


@pytest.mark.parametrize("temperature", [1e-300, 1.4e-45, 1e-38, 1e30])
def test_extreme_temperatures(temperature: float) -> None:
    logits = torch.tensor([40.0, -torch.inf, 39.9, -40.0])
    settings = SamplingSettings(temperature=temperature, seed=1, top_p=0.9, min_p=0.01)
    chosen = {int(Sampler(settings, torch.tensor([0]), 4).choose(logits)) for _ in range(20)}
    assert chosen == {0} if temperature < 1 else 1 not in chosen


def test_seeds() -> None:
    def ids(seed: int | None) -> list[int]:
        sampler = Sampler(SamplingSettings(temperature=1, seed=seed), torch.tensor([0]), 4)
        return [int(sampler.choose(LOGITS)) for _ in range(64)]

    assert ids(1) == ids(1)
    assert ids(1) != ids(2)
    assert ids(None) != ids(None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_new_tokens": 0}, {"temperature": -1}, {"temperature": math.nan}, {"temperature": math.inf}, {"top_p": 0},
        {"top_p": 1.1}, {"top_k": -1}, {"min_p": 2}, {"repetition_penalty": 0}, {"seed": -1}, {"stop": ("",)},
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        SamplingSettings(**wrong)  # type: ignore[arg-type]


def test_a_constraint_decides_what_may_come_and_hears_what_came() -> None:
    class OnlyEven:
        heard: list[int] = []

        def allowed(self) -> torch.Tensor:
            return torch.arange(6) % 2 == 0

        def accept(self, token_id: int) -> None:
            self.heard.append(token_id)

    constraint = OnlyEven()
    sampler = Sampler(SamplingSettings(), torch.tensor([0]), 6, constraint)
    assert int(sampler.choose(torch.tensor([0.0, 9.0, 1.0, 9.0, 2.0, 9.0]))) == 4
    assert constraint.heard == [4]


def test_logprobs_are_those_of_the_plain_logits() -> None:
    logits = torch.tensor([1.0, 3.0, 2.0])
    sampler = Sampler(SamplingSettings(top_logprobs=2, repetition_penalty=5.0), torch.tensor([1]), 3)
    chosen = int(sampler.choose(logits))
    found = sampler.logprobs(logits, chosen)
    expected = logits.log_softmax(-1)
    assert chosen == 2 and found is not None
    assert found.logprob == pytest.approx(float(expected[2]))
    assert [token for token, _ in found.top] == [1, 2]
    assert Sampler(SamplingSettings(), torch.tensor([1]), 3).logprobs(logits, 1) is None
