"""What a row is sorted by when a run is looked at."""

from __future__ import annotations

import pytest

from vl2.core.sample import Sample
from vl2.corpus.facts import NO_LANGUAGE, language_of
from vl2.corpus.sources.wordings import asked

PAGE = '```html\n<style>\np { margin: 0 auto; em: 1 }\n</style>\n<p class="o para no">{}</p>\n```'
CODE = "```python\nfor name in names:\n    axes.bar(name, 3)\naxes.set_title('{}')\n```"


@pytest.mark.parametrize(("code", "words", "language"), [
    (PAGE, "The layers of the picture are shown in this list.", "en"), (PAGE, "图层的顺序可以在这里改变。", "zh"),
    (CODE, "各城市的降雨量和平均气温，以及十年来的变化趋势图和说明文字", "zh"), (CODE, "Rain of the towns", "en"),
])  # fmt: skip
def test_the_language_of_code_is_that_of_its_words(code, words, language):
    assert language_of(Sample("row", asked("?", code.replace("{}", words)))) == language


def test_a_measured_language_counts_and_a_row_without_letters_has_none():
    assert language_of(Sample("row", asked("Hello", "you"), quality={"language.zh": 0.6, "language.en": 0.4})) == "zh"
    assert language_of(Sample("row", asked("1 + 1", "2"))) == NO_LANGUAGE
