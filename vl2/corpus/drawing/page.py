"""Page: HTML as Chromium shows it, with what can be seen of it: elements, lines of text, the text in reading order."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from vl2.core.encoded import data_url
from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource, Sample, SceneObject
from vl2.corpus.filters.language import main_language
from vl2.corpus.pipelines.code import code_of
from vl2.corpus.pipelines.web_code import text_agreement
from vl2.corpus.rewriting import dice_of
from vl2.corpus.sandbox.page import Seen, look_at_page, visible_text
from vl2.corpus.sandbox.visible import Element
from vl2.corpus.sources.wordings import PAGE, READ, asked
from vl2.data.faults import RowError

SAYINGS = {
    ("link", "en"): ("Open {}", "Click the link {}", "Go to {}"),
    ("link", "zh"): ("打开{}", "点击链接{}", "转到{}"),
    ("button", "en"): ("Press {}", "Click the button {}"),
    ("button", "zh"): ("按下{}", "点击{}按钮"),
    ("input", "en"): ("Type something into {}", "Fill in {}"),
    ("input", "zh"): ("在{}中输入文字", "填写{}"),
}
_NAMED = re.compile(r'src="image:(\d{1,3})"')


@dataclass(frozen=True, kw_only=True)
class DrawPage:
    """The window, and what a row says then: the text that is seen, or the HTML as before."""

    widths: tuple[int, ...] = (1024, 1280, 1366)
    heights: tuple[int, ...] = (640, 768, 900)
    scrolls: tuple[float, ...] = (0.0,)  # shares of what is below the window
    most_lines: int | None = None  # the picture ends below them, and cuts none; without, it is the whole window
    answer: Literal["text", "html"] = "text"
    least_text: float = 0.9  # of the words of a page whose HTML is the answer, that have to be seen
    timeout_s: float = 20.0
    seed: int = 0

    def change(self, sample: Sample) -> Sample:
        """Return the row with a picture of its page. Raises RowError on one that shows no text."""
        dice = dice_of(sample, "draw_page", self.seed)
        html = code_of(sample)
        size = (dice.choice(self.widths), dice.choice(self.heights))
        seen = self._look(_with_pictures(html, sample), size, dice.choice(self.scrolls))
        if not seen.document:
            raise RowError("a page that shows no text")
        if self.answer == "html" and text_agreement(visible_text(html), seen.document) < self.least_text:
            raise RowError("a page of which the picture shows a part")
        image = ImageSource(data=seen.picture, width=seen.size[0], height=seen.size[1])
        chinese = main_language(seen.document) == "zh"
        wanted = [one for one in seen.elements if (one.kind, "en") in SAYINGS and _is_alone(one, seen)]
        told: dict[str, Any] = {"document": seen.document, "language": "zh" if chinese else "en"}
        elements = list(seen.elements)
        if wanted:
            first = dice.choice(wanted)
            elements = [first, *(one for one in elements if one is not first)]
            saying = dice.choice(SAYINGS[first.kind, "zh" if chinese else "en"])
            told["instruction"] = saying.format(f"“{first.name}”")
        objects = [SceneObject(one.name, one.box, 0, "element") for one in elements]
        objects += [SceneObject(line.text, line.box, 0, "line") for line in seen.lines]
        said = {"text": asked(READ, seen.document), "html": asked(PAGE, f"```html\n{html}\n```")}
        return replace(
            sample, messages=said[self.answer], images=(image,), objects=tuple(objects), answers=(),
            provenance={**sample.provenance, **told},
        )  # fmt: skip

    def _look(self, html: str, size: tuple[int, int], scroll: float) -> Seen:
        try:
            return look_at_page(html, size, scroll=scroll, most_lines=self.most_lines, timeout_s=self.timeout_s)
        except VL2Error as error:
            if "no Chromium" in str(error):  # it is not the fault of a row
                raise
            raise RowError("a page that the browser does not show") from None


def _is_alone(element: Element, seen: Seen) -> bool:
    return sum(one.name == element.name for one in seen.elements) == 1


def _with_pictures(html: str, sample: Sample) -> str:
    """Return the page with its pictures as data, in the places that name them by number."""

    def inlined(named: re.Match[str]) -> str:
        number = int(named.group(1))
        data = sample.images[number].data if number < len(sample.images) else None
        if data is None:
            return 'src=""'
        return f'src="{data_url(data)}"'

    return _NAMED.sub(inlined, html)
