"""Web code: a picture of a page and its HTML. What is kept shows its text, in a browser where there is one.

Without a browser only the page itself is read; `browser: required` rejects rows then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Literal

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource, Sample
from vl2.corpus.filters.tokens import tokens_of
from vl2.corpus.hints import ocr_of
from vl2.corpus.pipelines.code import ask_for_code, code_of
from vl2.corpus.rewriting import dice_of
from vl2.corpus.sandbox.page import Shown, find_browser, show_page, visible_text
from vl2.data.faults import RowError

QUESTIONS = (
    "Write the HTML of this page.",
    "Turn this screenshot into an HTML page with its styles.",
    "Which HTML code gives this page?",
    "写出这个网页的 HTML 代码。",
)
_PAGE = re.compile(r"<(?:html|body|div|main|section|table|p|h[1-6]|form|ul|header)\b", re.IGNORECASE)
MOST_CHARACTERS = 24_000  # an answer of more does not fit beside its picture
MOST_WORDS = 2000  # that are compared


@dataclass(frozen=True, kw_only=True)
class WebCode:
    """How a page is shown and how much of its text has to be seen."""

    width: int = 1280
    height: int = 800
    least_text: float = 0.9  # agreement of the page's words with those that are shown, and with what OCR read
    picture: Literal["kept", "shown"] = "kept"  # the row's own, or the one that the browser shows
    browser: Literal["required", "optional"] = "optional"
    seed: int = 0

    def change(self, sample: Sample) -> Sample:
        """Return the row with a question for its page. Raises RowError on what is no page, or shows another text."""
        html = code_of(sample).strip()
        if not _PAGE.search(html) or len(html) > MOST_CHARACTERS:
            raise RowError("no HTML, or too much of it")
        text = visible_text(html)
        if not text:
            raise RowError("a page without text")
        images = sample.images[:1]
        if find_browser() is not None:
            shown = self._show(html)
            if text_agreement(text, shown.text) < self.least_text:
                raise RowError("a page that shows another text")
            if self.picture == "shown":
                images = (ImageSource(data=shown.picture, width=self.width, height=self.height),)
        elif self.browser == "required" or self.picture == "shown":
            raise RowError("no browser to show the page with")
        read = ocr_of(sample)
        if read and text_agreement(" ".join(read), text) < self.least_text:
            raise RowError("a page without the text of its picture")
        if not images:
            raise RowError("no picture of the page")
        question = dice_of(sample, "web_code", self.seed).choice(QUESTIONS)
        return replace(sample, messages=ask_for_code(question, "html", html), images=images, objects=(), answers=())

    def _show(self, html: str) -> Shown:
        try:
            return show_page(html, (self.width, self.height))
        except VL2Error:
            raise RowError("a page that the browser does not show") from None


def text_agreement(told: str, seen: str) -> float:
    """Return how much of two texts is the same words in the same order, 1 for all."""
    one, other = tokens_of(told)[:MOST_WORDS], tokens_of(seen)[:MOST_WORDS]
    return SequenceMatcher(None, one, other, autojunk=False).ratio() if one or other else 1.0
