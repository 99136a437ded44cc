"""Prompts of the harnesses. A result is comparable only with results of the same prompts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from string import ascii_uppercase

from vl2.core.errors import VL2Error
from vl2.core.sample import BoxesPart, ImagePart, ImageSource, Message, Part, Sample, TextPart
from vl2.evaluation.row import Row

SHORT = "\nAnswer the question using a single word or phrase."
LETTER = "\nAnswer with the option's letter from the given choices directly."
SELECT = "Please select the correct answer from the options above."
MMMU_SELECT = "Answer with the option's letter from the given choices directly. " \
    "Answer the question using a single word or phrase.\n"  # fmt: skip
IMAGE_TAG = re.compile(r"<image (\d{1,2})>")
ENLARGED = 2.0  # MMMU's first image, in the authors' own runs

Ask = Callable[[Row], Sample]
Text = Callable[[Row], str]


def asking(text: Text) -> Ask:
    """Return the prompt that shows every image on a line of its own, then the text."""

    def ask(row: Row) -> Sample:
        lines: list[Part] = [part for _ in row.images for part in (ImagePart(), TextPart("\n"))]
        return sample_of(row, [*lines, TextPart(text(row))], row.images)

    return ask


def sample_of(row: Row, parts: Sequence[Part], images: Sequence[ImageSource]) -> Sample:
    """Return one question of the user."""
    return Sample(id=row.id, messages=(Message("user", tuple(parts)),), images=tuple(images))


def question(row: Row) -> str:
    """Return the question as the benchmark words it."""
    return row.question


def followed_by(text: str) -> Text:
    """Return the question with a sentence behind it."""
    return lambda row: f"{row.question}{text}"


def options_of(row: Row, form: str = "{}. {}\n") -> str:
    """Return the options, one a line."""
    return "".join(form.format(letter, text) for letter, text in row.options.items())


def vlmevalkit_choice(row: Row) -> str:
    """Return VLMEvalKit's question among options."""
    hint = f"Hint: {row.fields['hint']}\n" if row.fields.get("hint") else ""
    options = f"Options:\n{options_of(row)}{SELECT} \n" if row.options else ""
    return f"{hint}Question: {row.question}\n{options}"


def lmms_choice(row: Row) -> str:
    """Return the question, its options and the request for a letter, as lmms-eval words it."""
    return f"{row.question}\n{options_of(row)}".rstrip("\n") + LETTER


def tagged(text: str, images: Sequence[ImageSource]) -> tuple[str, list[ImageSource]]:
    """Return a text whose k-th image tag reads <image k>, and the images in the order of the tags."""
    shown: list[ImageSource] = []

    def number(found: re.Match[str]) -> str:
        shown.append(_meant(found, images))
        return f"<image {len(shown)}>"

    renumbered = IMAGE_TAG.sub(number, text)
    return renumbered, shown or list(images)


def _meant(tag: re.Match[str], images: Sequence[ImageSource]) -> ImageSource:
    """Return the image of a tag. Raises VL2Error when there is none."""
    number = int(tag.group(1))
    if not 1 <= number <= len(images):
        raise VL2Error("question", "names an image that is not there", got=tag.group(), expected=f"1 to {len(images)}")
    return images[number - 1]


def vlmevalkit_mmmu(row: Row, enlarged: float = ENLARGED) -> Sample:
    """Ask MMMU as the authors of the model did: images first, tags left as words, the first image enlarged."""
    from vl2.processor.enlarge import enlarge

    text, shown = tagged(vlmevalkit_choice(row), row.images)
    text = text.replace("Question:", "").replace("Options:\n", "").replace(SELECT, MMMU_SELECT)
    images = [enlarge(shown[0], enlarged), *shown[1:]] if shown and enlarged != 1 else shown
    return sample_of(row, [*[ImagePart()] * len(images), TextPart(f"\n{text}")], images)


def lmms_mmmu(row: Row) -> Sample:
    """Ask MMMU with its images where their tags are."""
    text = lmms_choice(row) if row.options else f"{row.question}\n{SHORT}"
    if row.options:
        text = text.replace(LETTER, f"\n{LETTER}")
    parts: list[Part] = []
    shown: list[ImageSource] = []
    end = 0
    for found in IMAGE_TAG.finditer(text):
        parts += [TextPart(text[end : found.start()]), ImagePart()]
        shown.append(_meant(found, row.images))
        end = found.end()
    if not shown:
        return asking(lambda row: text)(row)
    return sample_of(row, [*parts, TextPart(text[end:])], shown)


def native_grounding(row: Row) -> Sample:
    """Ask for a box as the model was trained to be asked: <image> and the marked phrase."""
    return sample_of(row, [ImagePart(), TextPart("\n"), BoxesPart(row.question, ()), TextPart(".")], row.images)


def lettered(texts: Sequence[str | None] | Mapping[str, str | None]) -> dict[str, str]:
    """Return options by their letters; those that say nothing are left out. A list needs no "nan" to fill it up."""
    from vl2.evaluation.loaders.literal import is_missing

    if isinstance(texts, Mapping):
        return {letter: str(text) for letter, text in texts.items() if not is_missing(text)}
    return {letter: str(text) for letter, text in zip(ascii_uppercase, texts, strict=False) if text not in (None, "")}
