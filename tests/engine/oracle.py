"""An oracle that knows the answers and sometimes lies: drafts that are right up to any place."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest

from vl2.engine.lookup import Lookup

WRONG_TOKEN = 5
Answers = Mapping[tuple[int, ...], Sequence[int]]  # by the tokens of the prompt


def ask_oracle(patch: pytest.MonkeyPatch, answers: Answers, seed: int = 0) -> None:
    """Let every Lookup guess from known answers; nearly every other draft has a mistake somewhere."""
    rng = random.Random(seed)

    def propose(self: Lookup, tokens: Sequence[int], most: int) -> tuple[int, ...]:
        for prompt, answer in answers.items():
            if tuple(tokens[: len(prompt)]) == prompt:
                place = len(tokens) - len(prompt)
                draft = list(answer[place : place + min(most, self.longest)])
                if draft and rng.random() < 0.4:
                    draft[rng.randrange(len(draft))] = WRONG_TOKEN
                return tuple(draft)
        return ()

    patch.setattr(Lookup, "propose", propose)
