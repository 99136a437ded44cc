"""A picture is found again in other sizes and as JPEG, and no other picture is taken for it."""

from __future__ import annotations

import pytest
from imagehash import phash

from tests.corpus.dedup.judged import judge, text_row
from tests.corpus.dedup.planted import VARIANTS, png, scene
from vl2.core.sample import ImageSource
from vl2.corpus.dedup.perceptual import hash_picture

NUM = 60


@pytest.fixture(scope="module")
def scenes():
    return [scene(seed) for seed in range(NUM)]


def test_the_hash_is_the_usual_one(scenes):
    assert hash_picture(scenes[0]).bits == int(str(phash(scenes[0])), 16)
    assert hash_picture(ImageSource(data=png(scenes[0]))).bits == hash_picture(scenes[0]).bits


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_are_refused_and_other_pictures_stay(tmp_path, scenes, name):
    pictures = [*scenes, *map(VARIANTS[name], scenes)]
    rows = [text_row("the same words", png(picture)) for picture in pictures]
    refused = judge(tmp_path, "near_pictures", rows, block_rows=2 * NUM)
    right = [refusal for refusal in refused if refusal.row >= NUM and refusal.because_of == rows[refusal.row - NUM].id]
    assert len(right) / NUM >= 0.98
    assert len(right) / len(refused) >= 0.99


def test_other_words_about_the_same_picture_stay(tmp_path, scenes):
    rows = [text_row(text, png(scenes[0])) for text in ("A tree.", "A house.", "a tree")]
    assert [refusal.row for refusal in judge(tmp_path, "near_pictures", rows)] == [2]
    assert [refusal.row for refusal in judge(tmp_path, "near_pictures", rows, any_text=True)] == [1, 2]


def test_many_equal_pictures_are_one_cluster(tmp_path, scenes):
    """300 rows of one picture are compared with their first, not with each other."""
    rows = [text_row("blank", png(scenes[0]))] * 300
    refused = judge(tmp_path, "near_pictures", rows)
    assert len(refused) == 299 and {refusal.because_of for refusal in refused} == {rows[0].id}
