"""Answers on stdout, statistics on stderr."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from vl2.core.boxes import Box
    from vl2.engine.answer import Answer, Usage
    from vl2.engine.encoded_image import EncodedImage

_CONTROL = dict.fromkeys(
    code for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"
)  # a model's text must not move the cursor or retitle the terminal


def show_answer(answer: Answer, *, as_json: bool, image: EncodedImage | None = None) -> None:
    """Write a whole answer."""
    if as_json:
        show_json(answer_to_dict(answer, image))
    else:
        typer.echo(for_terminal(answer.text))
    show_usage(answer)


def show_boxes(answer: Answer, image: EncodedImage) -> None:
    """Write one box a line: label, then pixel corners, separated by tabs."""
    for span in answer.spans:
        for box in span.boxes:
            corners = box.pixels(image.width, image.height)
            typer.echo("\t".join([for_terminal(span.label or "").replace("\n", " "), *map(str, corners)]))
    _explain_missing(answer)
    show_usage(answer)


def show_points(answer: Answer, image: EncodedImage) -> None:
    """Write one point a line: label, then pixel coordinates, separated by tabs."""
    for span in answer.spans:
        for box in span.boxes:
            corners = _middle(box, image)
            typer.echo("\t".join([for_terminal(span.label or "").replace("\n", " "), *map(str, corners)]))
    _explain_missing(answer)
    show_usage(answer)


def show_json(record: dict[str, Any]) -> None:
    """Write one JSON object on one line."""
    typer.echo(json.dumps(record, ensure_ascii=False))


def show_table(table: Table) -> None:
    """Write a table as wide as it is."""
    from rich.console import Console

    Console(soft_wrap=True).print(table)


def show_piece(text: str) -> None:
    """Write a piece of an answer at once."""
    sys.stdout.write(for_terminal(text))
    sys.stdout.flush()


def show_usage(answer: Answer) -> None:
    """Write what an answer took to stderr."""
    usage = answer.usage
    speed = f", {usage.completion_tokens / usage.seconds:.1f} tokens/s" if usage.seconds else ""
    typer.echo(
        f"prompt {usage.prompt_tokens} tokens ({usage.image_tokens} visual), answer {usage.completion_tokens} tokens, "
        f"{usage.seconds:.2f} s{speed}, ended by {answer.finish_reason}",
        err=True,
    )


def answer_to_dict(answer: Answer, image: EncodedImage | None = None) -> dict[str, Any]:
    """Return an answer as JSON values; boxes also in pixels when the image is given."""
    return {
        "text": answer.text,
        "spans": [
            {
                "text": span.text,
                "label": span.label,
                "boxes": [_box_to_dict(box, image) for box in span.boxes],
                "problems": list(span.problems),
            }
            for span in answer.spans
        ],
        "finish_reason": answer.finish_reason,
        "usage": _usage_to_dict(answer.usage),
    }


def for_terminal(text: str) -> str:
    """Return text without control characters, except new lines and tabs."""
    return text.translate(_CONTROL)


def _box_to_dict(box: Box, image: EncodedImage | None) -> dict[str, Any]:
    record: dict[str, Any] = {"thousandths": box.thousandths(), "unit": box.unit(), "center": box.center()}
    if image is not None:
        record["pixels"] = box.pixels(image.width, image.height)
    return record


def _usage_to_dict(usage: Usage) -> dict[str, Any]:
    return asdict(usage) | {"seconds": round(usage.seconds, 4)}


def _middle(box: Box, image: EncodedImage) -> tuple[int, int]:
    x, y = box.center()
    return round(x * image.width), round(y * image.height)


def _explain_missing(answer: Answer) -> None:
    if not answer.boxes:
        typer.echo(f"No box in the answer: {for_terminal(answer.text)!r}", err=True)
