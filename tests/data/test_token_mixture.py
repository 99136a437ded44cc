"""Shares are of tokens, exact at any length, and a state is all that a resume needs."""

from __future__ import annotations

import random

import pytest

from bench.packing import mixture_error
from vl2.core.errors import ConfigError
from vl2.data.token_mixture import MixtureState, TokenMixture


def served(shares, lengths, steps, state=None):
    mixture, state = TokenMixture(shares), state or MixtureState.fresh(shares)
    order = []
    for step in range(steps):
        name = mixture.next_source(state)
        order.append(name)
        state = mixture.serve(state, name, lengths[name][(sum(state.served.values()) + step) % len(lengths[name])])
    return order, state


def test_seventy_to_thirty_within_half_a_point_over_ten_million_tokens():
    assert mixture_error(10_000_000) <= 0.5  # done-when of the training issue; bench/packing.py prints it


def test_three_sources_of_very_different_lengths_are_never_more_than_a_document_behind():
    shares = {"captions": 3, "pages": 5, "text": 2}
    random.seed(0)
    longest = 3900
    lengths = {"captions": [40, 90, 17], "pages": [random.randint(1000, longest) for _ in range(50)], "text": [300]}
    for steps in (10, 500, 5000):
        _, state = served(shares, lengths, steps)
        total = sum(state.served.values())
        for name, share in TokenMixture(shares).shares.items():
            assert abs(state.served[name] - share * total) <= len(shares) * longest


def test_a_state_goes_on_where_it_stopped():
    shares, lengths = {"a": 1, "b": 3}, {"a": [5, 50], "b": [7, 11, 13]}
    mixture, state, whole = TokenMixture(shares), MixtureState.fresh(shares), []
    states = []
    for step in range(60):
        states.append(state)
        whole.append(mixture.next_source(state))
        state = mixture.serve(state, whole[-1], lengths[whole[-1]][step % 2])
    state = MixtureState(served=dict(states[25].served))
    for step in range(25, 60):
        assert mixture.next_source(state) == whole[step]
        state = mixture.serve(state, whole[step], lengths[whole[step]][step % 2])


@pytest.mark.parametrize("shares", [{}, {"a": 0.0}, {"a": 1.0, "b": -1}, {"a": float("nan")}])
def test_shares_must_be_positive(shares):
    with pytest.raises(ConfigError, match="mixture"):
        TokenMixture(shares)
