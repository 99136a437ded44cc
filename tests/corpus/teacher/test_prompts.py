"""Prompts keep their words for as long as they keep their version: replies are remembered by it."""

from __future__ import annotations

import hashlib

import pytest

from vl2.corpus.teacher.prompts import FOLDER, load_prompt

# a change of words needs a new version here, in its file, and of the step that uses it
WORDS = {
    "ocr_cleaning": (2, "710c88ea132f"),
    "reasoning": (2, "d75751e1ef77"),
    "recaption": (1, "e394764932b2"),
    "recaption_zh": (1, "645acbe4da4a"),
    "regenerate": (2, "73b48fbfb9be"),
    "table": (1, "67555f10d59b"),
    "textbook": (1, "a4dc8e5321fc"),
    "vqa": (2, "5b55e3b45ab8"),
    "writing": (1, "4b5d00fb2ca1"),
}


def test_every_prompt_is_listed():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(WORDS)


@pytest.mark.parametrize("name", WORDS)
def test_words_change_with_the_version(name):
    prompt = load_prompt(name)
    words = hashlib.sha256(repr((prompt.system, prompt.forms)).encode()).hexdigest()[:12]
    assert (prompt.version, words) == WORDS[name]
