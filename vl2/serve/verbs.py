"""The verbs on the wire: caption, query, detect, point, read; each asks about one image and answers in its own type."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, ImageSource, Part, TextPart
from vl2.engine.conversation import asking, check_text
from vl2.engine.prompts import CAPTION, READ
from vl2.processor.grounding import Span, parse
from vl2.serve.ask import Ask, box_in
from vl2.serve.constraints import Bound, Detection, WholeBoxes
from vl2.serve.convert import budget_of, sampling_of
from vl2.serve.schema import MAX_TEXT, Sampling, Shown, Wire
from vl2.serve.settings import ServeSettings

MAX_PHRASE = 1000  # characters


class ImageRequest(Shown, Sampling):
    """A question about one image."""

    def part(self) -> Part:
        """Return what is asked behind the image."""
        return TextPart(READ)

    def bound(self) -> Bound:
        """Return what bounds the answer."""
        return WholeBoxes() if self.vl2.constrain_boxes else None


class ReadRequest(ImageRequest):
    """Ask for the text in an image."""


class CaptionRequest(ImageRequest):
    """Ask for a description."""

    length: Literal["short", "normal", "long"] = "normal"

    def part(self) -> Part:
        """Return the question."""
        return TextPart(CAPTION[self.length])


class QueryRequest(ImageRequest):
    """Ask anything."""

    question: Annotated[str, Field(max_length=MAX_TEXT)]

    def part(self) -> Part:
        """Return the question."""
        check_text("question", self.question)
        return TextPart(self.question)


class DetectRequest(ImageRequest):
    """Ask where something is."""

    object: Annotated[str, Field(max_length=MAX_PHRASE)]

    def part(self) -> Part:
        """Return the phrase, marked as the model was trained."""
        check_text("object", self.object)
        return BoxesPart(self.object, ())

    def bound(self) -> Bound:
        """Return the phrase with well-formed boxes, or words that say it is not there."""
        return Detection(self.object)


class VerbUsage(Wire):
    """What an answer took."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, int]


class TextAnswer(Wire):
    """An answer in words: `text`, and the same under the verb's own name."""

    text: str
    caption: str | None = None
    answer: str | None = None
    usage: VerbUsage


class FoundObject(Wire):
    """A box three times: in pixels of the image, in 0..1 and in 0..999; x1, y1, x2, y2."""

    label: str
    pixels: list[float]
    unit: list[float]
    thousand: list[float]


class DetectAnswer(Wire):
    """What was found; none when it is not there. `text` is what the model wrote."""

    objects: list[FoundObject]
    text: str
    problems: list[str]
    usage: VerbUsage


class FoundPoint(Wire):
    """The middle of a box: x, y."""

    label: str
    pixels: list[float]
    unit: list[float]


class PointAnswer(Wire):
    """The middles of what was found."""

    points: list[FoundPoint]
    text: str
    problems: list[str]
    usage: VerbUsage


def ask_of(body: ImageRequest, image: ImageSource, settings: ServeSettings) -> Ask:
    """Return what a verb asks."""
    return Ask(
        conversation=asking((image,), body.part()), settings=sampling_of(body, settings, limit=body.max_tokens),
        budget=budget_of(body), bound=body.bound(),
    )  # fmt: skip


def detect_answer(text: str, image: ImageSource, usage: dict[str, Any]) -> DetectAnswer:
    """Read the boxes of an answer."""
    spans = parse(text)
    found = [_object(span, box, image) for span in spans for box in span.boxes]
    return DetectAnswer(objects=found, text=text, problems=_problems(spans), usage=VerbUsage(**usage))


def point_answer(text: str, image: ImageSource, usage: dict[str, Any]) -> PointAnswer:
    """Read the middles of the boxes of an answer."""
    spans = parse(text)
    points: list[FoundPoint] = []
    for label, (x, y) in [(span.label or "", box.center()) for span in spans for box in span.boxes]:
        pixels = [round(x * (image.width or 0), 1), round(y * (image.height or 0), 1)]
        points.append(FoundPoint(label=label, pixels=pixels, unit=[round(x, 4), round(y, 4)]))
    return PointAnswer(points=points, text=text, problems=_problems(spans), usage=VerbUsage(**usage))


def _object(span: Span, box: Box, image: ImageSource) -> FoundObject:
    pixels, unit, thousand = (list(box_in(box, name, image)) for name in ("pixels", "unit", "thousand"))
    return FoundObject(label=span.label or "", pixels=pixels, unit=unit, thousand=thousand)


def _problems(spans: tuple[Span, ...]) -> list[str]:
    return list(dict.fromkeys(problem for span in spans for problem in span.problems))
