"""Near texts are found, and nothing else is."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.corpus.dedup.judged import judge, text_row
from tests.corpus.dedup.planted import pairs, png, scene, true_jaccard, vocabulary
from vl2.corpus.dedup.minhash import bands, signatures
from vl2.corpus.dedup.shingles import shingles_of
from vl2.corpus.dedup.texts import jaccard

TEXTS = [
    "One two three four five six.",
    "one TWO, three — four five six",
    "ein zwei",
    "",
    "今天天气很好，我们去公园",
    "!?",
]


def test_shingles_are_the_runs_of_words_of_each_text():
    found = shingles_of(TEXTS)
    assert found.counts.tolist() == [2, 2, 1, 0, 7, 0]
    starts = found.starts()
    first, second = (found.values[starts[n] : starts[n + 1]].tolist() for n in (0, 1))
    assert first == second == sorted(first)


@pytest.mark.parametrize("most", [1, 50, 1 << 20])
def test_shingles_do_not_depend_on_the_company(monkeypatch, most):
    from vl2.corpus.dedup import shingles

    rng = random.Random(1)
    words = vocabulary(rng, 50)
    texts = [" ".join(rng.choices(words, k=rng.randint(0, 30))) for _ in range(40)]
    alone = [shingles_of([text]).values.tolist() for text in texts]
    monkeypatch.setattr(shingles, "_MOST_CHARACTERS", most)
    together = shingles_of(texts)
    starts = together.starts()
    assert [together.values[a:b].tolist() for a, b in zip(starts, starts[1:], strict=False)] == alone
    wanted = [len({tuple(t.split()[at : at + 5]) for at in range(max(1, len(t.split()) - 4))}) for t in texts if t]
    assert [len(values) for text, values in zip(texts, alone, strict=True) if text] == wanted


def test_the_similarity_is_the_true_one():
    for one, other in pairs(random.Random(2), 20, 0.5, 0.95):
        values = [shingles_of([text]).values for text in (one, other)]
        assert jaccard(*values) == pytest.approx(true_jaccard(one, other))


def test_signatures_agree_as_often_as_sets_do():
    """The share of equal values estimates the similarity; the error of 200 pairs x 112 values is below .01."""
    found = list(pairs(random.Random(3), 200, 0.6, 0.8))
    both = [signatures(shingles_of(texts)) for texts in zip(*found, strict=True)]
    estimates = (both[0] == both[1]).mean(axis=1)
    truth = np.array([true_jaccard(*pair) for pair in found])
    assert abs((estimates - truth).mean()) < 0.01
    assert np.abs(estimates - truth).max() < 0.2


@pytest.mark.parametrize(("low", "high", "least"), [(0.9, 0.93, 0.99), (0.85, 0.88, 0.97)])
def test_planted_pairs_meet_in_a_band(low, high, least):
    found = list(pairs(random.Random(4), 300, low, high))
    keys = [bands(signatures(shingles_of(texts))) for texts in zip(*found, strict=True)]
    assert (keys[0] == keys[1]).any(axis=1).mean() >= least


def test_planted_pairs_are_refused_and_strangers_stay(tmp_path):
    near, far = list(pairs(random.Random(5), 100, 0.85, 0.95)), list(pairs(random.Random(6), 50, 0.4, 0.6))
    texts = [pair[0] for pair in near + far] + [pair[1] for pair in near + far]
    rows = list(map(text_row, texts))
    refused = judge(tmp_path, "near_texts", rows, block_rows=70)
    found = {refusal.block * 70 + refusal.row: refusal.because_of for refusal in refused}
    assert len(set(found) & set(range(150, 250))) >= 98
    assert not set(found) - set(range(150, 250))
    assert all(found[row] == rows[row - 150].id for row in found)


def test_images_and_short_answers_make_texts_other_rows(tmp_path):
    text = " ".join(vocabulary(random.Random(8), 60))
    one, other = (png(scene(seed)) for seed in (1, 2))
    rows = [
        text_row(text, one),
        text_row(text, other),
        text_row(text + " indeed", one),
        text_row("yes"),
        text_row("yes"),
    ]
    assert [refusal.row for refusal in judge(tmp_path, "near_texts", rows)] == [2]
    assert [refusal.row for refusal in judge(tmp_path, "near_texts", rows, any_images=True)] == [1, 2]


def test_exact_duplicates_leave_the_first(tmp_path):
    rows = [text_row("a"), text_row("b"), text_row("a"), text_row("a")]
    refused = judge(tmp_path, "exact", rows, block_rows=2)
    assert [(r.block, r.row, r.because_of) for r in refused] == [(1, 0, rows[0].id), (1, 1, rows[0].id)]


def test_nothing_gives_nothing(tmp_path):
    for step in ("exact", "near_texts", "near_pictures"):
        assert judge(tmp_path, step, [text_row("!")]) == []
