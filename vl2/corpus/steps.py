"""The steps that a recipe can name, each with its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vl2.core.sample import Sample
from vl2.corpus.dedup.exact import Exact, refuse_same_ids, take_nothing
from vl2.corpus.dedup.pictures import NearPictures, refuse_pictures, take_pictures
from vl2.corpus.dedup.texts import NearTexts, refuse_texts, take_texts
from vl2.corpus.drawing.kinds import DRAWING_KINDS
from vl2.corpus.filters.benchmark import Benchmarks
from vl2.corpus.filters.code_mix import code_mix
from vl2.corpus.filters.language import LANGUAGES, language
from vl2.corpus.filters.licence import LicencePolicy
from vl2.corpus.filters.mismatch import mismatch
from vl2.corpus.filters.nsfw import Nsfw
from vl2.corpus.filters.ocr_agreement import ocr_agreement
from vl2.corpus.filters.picture import picture
from vl2.corpus.filters.refusal import refusal
from vl2.corpus.filters.repetition import repetition
from vl2.corpus.filters.template import template
from vl2.corpus.filters.truncation import truncation
from vl2.corpus.gathering import Gathering
from vl2.corpus.pipelines.kinds import PIPELINE_KINDS
from vl2.corpus.pipelines.mixture import Mixture
from vl2.corpus.step import Measure, computing, deciding, text_of
from vl2.corpus.step_kind import StepKind, measuring_kind
from vl2.processor import open_image


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a row is kept within; a row without the field, as one without images, passes."""

    least: dict[str, float] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)

    def find_reason(self, sample: Sample) -> str | None:
        """Return the first limit that a row breaks."""
        found = sample.quality
        low = (f"{name} below {end:g}" for name, end in self.least.items() if name in found and found[name] < end)
        high = (f"{name} above {end:g}" for name, end in self.most.items() if name in found and found[name] > end)
        return next(low, None) or next(high, None)


def decided_fields(settings: Any) -> list[str]:
    """Return the fields of quality that a step decides on."""
    if isinstance(settings, Mixture):
        return [settings.field]
    return [*settings.least, *settings.most] if isinstance(settings, Limits) else []


def measure_length(sample: Sample) -> dict[str, float]:
    """Return how much a row says and shows."""
    return {
        "question_characters": len(text_of(sample, ("user",))),
        "answer_characters": len(text_of(sample, ("assistant",))),
        "turns": sum(message.role == "assistant" for message in sample.messages),
        "images": len(sample.images),
        "objects": len(sample.objects),
    }


def measure_picture(sample: Sample) -> dict[str, float]:
    """Return the worst of what is measured of a row's images: the smallest side and sharpness, the largest others."""
    found = [picture(open_image(image)) for image in sample.images]
    worst = {"short_side": min, "sharpness": min, "long_side": max, "aspect": max, "blank": max}
    return {name: pick(one[name] for one in found) for name, pick in worst.items()} if found else {}


def measure_ocr(sample: Sample) -> dict[str, float]:
    """Return how far answers agree with what OCR read, a list of texts in `provenance`; nothing without one."""
    if not isinstance(sample.provenance.get("ocr"), list):
        return {}
    return ocr_agreement(_answers(sample), list(map(str, sample.provenance["ocr"])))


def _answers(sample: Sample) -> str:
    return text_of(sample, ("assistant",))


def _worst_answer(measure: Callable[[str], Mapping[str, float]]) -> Measure:
    """Return what measures each answer of a row and takes the largest of each value."""

    def worst(sample: Sample) -> dict[str, float]:
        said = [text_of(replace(sample, messages=(turn,))) for turn in sample.messages if turn.role == "assistant"]
        found = [measure(text) for text in said]
        return {name: max(one[name] for one in found) for name in found[0]} if found else {}

    return worst


KINDS = (
    measuring_kind(
        "length", 2, ("question_characters", "answer_characters", "turns", "images", "objects"), measure_length
    ),
    measuring_kind("language", 2, LANGUAGES, lambda sample: language(text_of(sample))),
    measuring_kind("code_mix", 3, ("share", "words"), _worst_answer(code_mix)),
    measuring_kind("repetition", 3, ("lines", "words", "loop"), _worst_answer(repetition)),
    measuring_kind("truncation", 3, ("breaks_off", "left_open"), _worst_answer(truncation)),
    measuring_kind(
        "template", 2, ("leaks", "echo"), lambda sample: template(text_of(sample, ("user",)), _answers(sample))
    ),
    measuring_kind("refusal", 2, ("declines",), _worst_answer(refusal)),
    measuring_kind("picture", 1, ("short_side", "long_side", "aspect", "sharpness", "blank"), measure_picture),
    measuring_kind("ocr", 2, ("claims", "agreement"), measure_ocr),
    measuring_kind("mismatch", 2, ("images", "language", "label"), mismatch),
    StepKind(
        name="benchmark", version=2, settings=Benchmarks, fields=("text", "picture"),
        build=lambda settings: computing("benchmark", 2, settings.known.measure),
    ),
    StepKind(
        name="nsfw", version=1, settings=Nsfw, fields=("score",),
        build=lambda settings: computing("nsfw", 1, settings.judge.measure),
    ),
    StepKind(
        name="decide", version=1, settings=Limits,
        build=lambda settings: deciding("decide", 1, settings.find_reason),
    ),
    StepKind(
        name="licence", version=1, settings=LicencePolicy,
        build=lambda settings: deciding("licence", 1, settings.find_reason),
    ),
    *DRAWING_KINDS,
    *PIPELINE_KINDS,
    StepKind(name="exact", version=1, settings=Exact, gathering=Gathering(take=take_nothing, refuse=refuse_same_ids)),
    StepKind(
        name="near_texts", version=2, settings=NearTexts, gathering=Gathering(take=take_texts, refuse=refuse_texts)
    ),
    StepKind(
        name="near_pictures", version=2, settings=NearPictures,
        gathering=Gathering(take=take_pictures, refuse=refuse_pictures),
    ),
)  # fmt: skip
STEPS: dict[str, StepKind] = {kind.name: kind for kind in KINDS}
