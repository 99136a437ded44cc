"""Prompts keep their words for as long as they keep their version: replies are remembered by it."""

from __future__ import annotations

import hashlib

import pytest

from vl2.corpus.teacher.prompts import FOLDER, load_prompt

# a change of words needs a new version here, in its file, and of the step that uses it
WORDS = {
    "ocr_cleaning": (1, "d0ceb7bb4490"),
    "reasoning": (1, "5110376b1139"),
    "recaption": (1, "e394764932b2"),
    "recaption_zh": (1, "645acbe4da4a"),
    "regenerate": (1, "99d2924efe9f"),
    "table": (1, "67555f10d59b"),
    "textbook": (1, "a4dc8e5321fc"),
    "vqa": (1, "fc97f7ded57c"),
    "writing": (1, "4b5d00fb2ca1"),
}


def test_every_prompt_is_listed():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(WORDS)


@pytest.mark.parametrize("name", WORDS)
def test_words_change_with_the_version(name):
    prompt = load_prompt(name)
    words = hashlib.sha256(repr((prompt.system, prompt.forms)).encode()).hexdigest()[:12]
    assert (prompt.version, words) == WORDS[name]
