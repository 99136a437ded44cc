"""Small sources in the formats that people have, with the faults that they have."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, ImagePart, ImageSource, Message, Sample, SceneObject, TextPart
from vl2.corpus.recipe import Recipe, check
from vl2.corpus.run import Progress
from vl2.corpus.source import Source
from vl2.corpus.tar import pack

NUM_DRAWN, NUM_LINES = 9, 14


def picture(seed: int, kind: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).resize((48, 36)).save(out, kind)
    return out.getvalue()


def grounded(number: int) -> Sample:
    """Return a row with two images, boxes of every count, a system message and words of its own."""
    ask = Message("user", (ImagePart(), ImagePart(), TextPart(f"\nWhere? {number} ü 图"), BoxesPart("a cat", ())))
    one = Message("assistant", (BoxesPart("a cat", (Box(1, 2, 30, 999),)), TextPart(" sleeps.")))
    more = Message("user", (TextPart("And dogs?"),))
    two = Message("assistant", (BoxesPart("dogs", (Box(0, 0, 5, 5), Box(7, 8, 9, 10))),))
    return Sample(
        f"drawn-{number}", (Message("system", (TextPart("Be brief."),)), ask, one, more, two),
        images=(ImageSource(data=picture(number)), ImageSource(data=picture(900 + number, "JPEG"))),
        objects=(SceneObject("cat", (1.5, 2.0, 20.0, 30.0), 1),), answers=("cat",),
    )  # fmt: skip


def write_sources(folder: Path) -> tuple[Source, ...]:
    """Write a tar of ours and LLaVA's lines; of the lines one is no JSON, and the image of one is missing."""
    folder.mkdir(exist_ok=True)
    (folder / "drawn.tar").write_bytes(pack([grounded(number) for number in range(NUM_DRAWN)]))
    lines = []
    for number in range(NUM_LINES):
        turns = [{"from": "human", "value": f"Question {number}?"}, {"from": "gpt", "value": "word " * number}]
        lines.append(json.dumps({"id": str(number), "conversations": turns}))
    lines[5] = "{broken"
    lines[7] = json.dumps({"id": "7", "image": "gone.png", "conversations": turns})
    (folder / "lines.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return (
        Source(name="drawn", path=str(folder / "drawn.tar"), licence="MIT"),
        Source(name="lines", path=str(folder / "lines.jsonl"), licence="CC-BY-4.0", url="local"),
    )


STEPS: tuple[dict[str, object], ...] = (
    {"use": "length"},
    {"use": "decide", "least": {"length.answer_characters": 5}, "most": {"length.answer_characters": 40}},
)
FULL: tuple[dict[str, object], ...] = (
    *({"use": name} for name in ("length", "language", "code_mix", "repetition", "truncation", "template", "refusal")),
    *({"use": name} for name in ("ocr", "mismatch", "licence", "exact", "near_texts", "near_pictures", "picture")),
)  # all but benchmark, and nothing decided
WRITE = ("webdataset", "jsonl", "llava", "swift", "parquet", "energon", "mds")


def recipe_of(sources: tuple[Source, ...], out: Path, **more: object) -> Recipe:
    values: dict[str, object] = {"steps": STEPS, "write": WRITE, "block_rows": 4, **more}
    recipe = Recipe(out=str(out), sources=sources, **values)  # pyright: ignore
    check(recipe, "recipe")
    return recipe


def contents(out: Path) -> dict[str, bytes]:
    """Return every file of a run."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def silent(progress: Progress) -> None:
    """Show nothing."""
