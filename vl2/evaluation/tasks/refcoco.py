"""RefCOCO, RefCOCO+ and RefCOCOg: the box of what an expression names (Yu et al., 2016; Mao et al., 2016).

What reads boxes and images is imported late: it loads torch, and tasks are listed without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vl2.core.errors import VL2Error
from vl2.core.sample import ImageSource
from vl2.evaluation.loaders.literal import read_list, texts_of
from vl2.evaluation.prompts import asking, native_grounding
from vl2.evaluation.row import Row
from vl2.evaluation.task import PromptRule, Record, Task
from vl2.evaluation.tasks.columns import cell, images_of, own_row, picture_of, tsv_row
from vl2.evaluation.tasks.scorers import without_full_stop
from vl2.evaluation.verdict import Dialect, Verdict, judged, unparsed

if TYPE_CHECKING:
    from vl2.evaluation.metrics.boxes import BoxDialect

VLMEVALKIT_TOKENS = 2048
NATIVE_TOKENS = 128
REGION = "Please provide the bounding box coordinate of the region this sentence describes: <ref>{}</ref>"
LMMS_REGION = (
    "Bounding box coordinates are specified in the format (top-left x, top-left y, bottom-right x, bottom-right y). "
    "All values are floating point numbers bounded between 0 and 1. Please provide the bounding box coordinate of the "
    "region this sentence describes: {}"
)
DIALECTS: dict[Dialect, BoxDialect] = {"canonical": "canonical", "official": "canonical", "vlmevalkit": "vlmevalkit",
                                       "lmms": "lmms"}  # fmt: skip


def parquet_rows(record: Record) -> Iterator[Row]:
    """Yield the rows of an object: one for each of its expressions."""
    from vl2.evaluation.metrics.boxes import corners

    images = sized(images_of(record["image"]))
    for number, expression in enumerate(texts_of(record["answer"])):
        yield Row(
            id=f"{record['question_id']}/{number}", images=images, question=expression,
            box=corners(*map(float, record["bbox"])), group=str(record.get("file_name") or record["question_id"]),
        )  # fmt: skip


def jsonl_rows(record: Record) -> Iterator[Row]:
    """Yield the row of an expression as Qwen-VL released them; the same words may name two objects of an image."""
    width, height = int(record["width"]), int(record["height"])
    images = tuple(replace(image, width=width, height=height) for image in images_of(record["image"]))
    x1, y1, x2, y2 = map(float, record["bbox"])
    yield Row(id=str(record["line"]), images=images, question=str(record["sent"]), box=(x1, y1, x2, y2),
              group=picture_of(images))  # fmt: skip


def own_rows(record: Record) -> Iterator[Row]:
    """Yield a row of our own JSONL: `box` is what is right."""
    x1, y1, x2, y2 = map(float, record["box"])
    for row in own_row(record):
        yield replace(row, images=sized(row.images), answers=(), box=(x1, y1, x2, y2),
                      group=row.group or picture_of(row.images))  # fmt: skip


def tsv_rows(title: str) -> Callable[[Record], Iterator[Row]]:
    """Return what takes a benchmark's rows out of the table of all three, whose category is `RefCOCO+ testA`.

    Corners are in pixels or, when none is over 1, shares of the sides.
    """

    def rows(record: Record) -> Iterator[Row]:
        benchmark, _, split = cell(record, "category").partition(" ")
        if benchmark not in ("", title):
            return
        images = sized(images_of(record["image"]))
        listed = read_list(cell(record, "answer")) or [record[f"bbox_{name}"] for name in ("x1", "y1", "x2", "y2")]
        x1, y1, x2, y2 = (float(str(value)) for value in listed)
        width, height = _size(images) if max(x1, y1, x2, y2) <= 1 else (1, 1)
        yield tsv_row(record, images=images, answers=(), category=split, fields={"split": split},
                      box=(x1 * width, y1 * height, x2 * width, y2 * height))  # fmt: skip

    return rows


def sized(images: Sequence[ImageSource]) -> tuple[ImageSource, ...]:
    """Return images with their sizes, which boxes are measured by; asking about one without will say what is wrong."""
    from vl2.processor.images import image_size

    found: list[ImageSource] = []
    for image in images:
        try:
            width, height = image_size(image)
        except VL2Error:
            width = height = None
        found.append(replace(image, width=width, height=height))
    return tuple(found)


def _size(images: Sequence[ImageSource]) -> tuple[int, int]:
    image = next(iter(images), ImageSource())
    return image.width or 1, image.height or 1


def score(row: Row, said: str, dialect: Dialect) -> Verdict:
    """Compare the first box with the true one: half of their union has to be shared."""
    from vl2.evaluation.metrics.boxes import first_box, hit

    found = first_box(said, *_size(row.images), DIALECTS[dialect])
    if found is None or row.box is None:
        return unparsed()
    return judged(float(hit(found, row.box)), ", ".join(f"{corner:.0f}" for corner in found))


TASK = Task(
    name="refcoco", title="RefCOCO", source="Qwen-VL evaluation; DeepSeek-VL2 README; VLMEvalKit RefCOCO",
    metric="accuracy at IoU 0.5",
    rows={"parquet": parquet_rows, "grounding-jsonl": jsonl_rows, "tsv": tsv_rows("RefCOCO"), "jsonl": own_rows},
    profiles={
        "native-grounding": PromptRule(ask=native_grounding, max_new_tokens=NATIVE_TOKENS),
        "vlmevalkit": PromptRule(
            ask=asking(lambda row: REGION.format(row.question)), max_new_tokens=VLMEVALKIT_TOKENS,
            clean=without_full_stop, dialect="vlmevalkit",
        ),
        "lmms": PromptRule(ask=asking(lambda row: LMMS_REGION.format(row.question)), stop=("ASSISTANT:",),
                           dialect="lmms"),
    },
    score=score, num_rows={"val": 10834, "testA": 5657, "testB": 5095}, published="RefCOCO",
    repository="lmms-lab/RefCOCO",
)  # fmt: skip
PLUS = replace(
    TASK, name="refcoco_plus", title="RefCOCO+", num_rows={"val": 10758, "testA": 5726, "testB": 4889},
    published="RefCOCO+", rows={**TASK.rows, "tsv": tsv_rows("RefCOCO+")}, repository="lmms-lab/RefCOCOplus",
)  # fmt: skip
G = replace(
    TASK, name="refcocog", title="RefCOCOg", num_rows={"val": 4896, "test": 9602}, published="RefCOCOg",
    rows={**TASK.rows, "tsv": tsv_rows("RefCOCOg")}, repository="lmms-lab/RefCOCOg",
)  # fmt: skip
