"""The verbs that ask a model once: ask, detect, point, caption, read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vl2.cli import show
from vl2.cli.options import RunOptions
from vl2.cli.picture_file import check_writable, write_file
from vl2.cli.start import start
from vl2.core.sample import BoxesPart, TextPart

if TYPE_CHECKING:
    from vl2.engine.answer import Answer
    from vl2.engine.encoded_image import EncodedImage

Image = Annotated[str, typer.Argument(help="The file of an image.", show_default=False)]
Phrase = Annotated[str, typer.Argument(help="What to look for, as in 'red circle'.", show_default=False)]
Draw = Annotated[Path | None, typer.Option(help="Write the image with its boxes here: .png, .jpg or .webp.")]


def ask(
    *,
    images: Annotated[list[str] | None, typer.Argument(metavar="IMAGE", help="Files of images.")] = None,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="The last argument.", show_default=False)],
    run: RunOptions,
) -> None:
    """Ask a question about one image or several."""
    from vl2.engine.conversation import check_text

    check_text("question", question)
    assistant = start(run, images or (), asked=TextPart(question))
    if run.as_json:
        show.show_answer(assistant.ask(images or (), question, **run.settings()), as_json=True)
        return
    stream = assistant.stream(images or (), question, **run.settings())
    for piece in stream:
        show.show_piece(piece)
    show.show_piece("\n")
    show.show_usage(stream.answer())


def detect(image: Image, phrase: Phrase, *, draw: Draw = None, run: RunOptions) -> None:
    """Find what a phrase names: one box a line, label and corners in pixels (left, top, right, bottom)."""
    answer, seen = _find(image, phrase, draw, run)
    if run.as_json:
        show.show_answer(answer, as_json=True, image=seen)
    else:
        show.show_boxes(answer, seen)


def point(image: Image, phrase: Phrase, *, draw: Draw = None, run: RunOptions) -> None:
    """Find what a phrase names: one point a line, label and the middle of the box in pixels (x, y)."""
    answer, seen = _find(image, phrase, draw, run)
    if run.as_json:
        show.show_answer(answer, as_json=True, image=seen)
    else:
        show.show_points(answer, seen)


def caption(
    image: Image,
    *,
    length: Annotated[Literal["short", "normal", "long"], typer.Option(help="How much to say.")] = "normal",
    run: RunOptions,
) -> None:
    """Describe an image."""
    answer = start(run, [image]).caption(image, length, **run.settings())
    show.show_answer(answer, as_json=run.as_json)


def read(image: Image, *, run: RunOptions) -> None:
    """Read the text in an image."""
    from vl2.engine.prompts import READ

    assistant = start(run, [image], asked=TextPart(READ))
    show.show_answer(assistant.read(image, **run.settings()), as_json=run.as_json)


def _find(image: str, phrase: str, draw: Path | None, run: RunOptions) -> tuple[Answer, EncodedImage]:
    from vl2.engine.conversation import check_text
    from vl2.engine.encoded_image import EncodedImage
    from vl2.processor import draw_boxes, open_image
    from vl2.processor.picture import FORMATS, encode_picture

    check_text("phrase", phrase)
    if draw is not None:
        check_writable(draw, FORMATS)
    assistant = start(run, [image], asked=BoxesPart(phrase, ()))
    seen = EncodedImage.open(image)
    answer = assistant.detect(seen, phrase, **run.settings())
    if draw is not None:
        picture = draw_boxes(open_image(seen.pixels), answer.spans)
        write_file(draw, encode_picture(picture, draw.suffix.lower()))
    return answer, seen
