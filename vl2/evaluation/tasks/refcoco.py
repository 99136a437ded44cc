"""RefCOCO, RefCOCO+ and RefCOCOg: the box of what an expression names (Yu et al., 2016; Mao et al., 2016)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vl2.core.sample import ImageSource
from vl2.evaluation.loaders.literal import read_list, texts_of
from vl2.evaluation.metrics.boxes import HIT_IOU, BoxDialect, corners, first_box, iou
from vl2.evaluation.prompts import asking, native_grounding
from vl2.evaluation.row import Row
from vl2.evaluation.task import PromptRule, Record, Task
from vl2.evaluation.tasks.columns import cell, images_of, own_row
from vl2.evaluation.verdict import Dialect, Verdict, judged, unparsed
from vl2.processor.images import image_size

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
    image = sized(images_of(record["image"])[0])
    for number, expression in enumerate(texts_of(record["answer"])):
        yield Row(
            id=f"{record['question_id']}/{number}", images=(image,), question=expression,
            box=corners(*map(float, record["bbox"])), group=str(record.get("file_name") or record["question_id"]),
        )  # fmt: skip


def jsonl_rows(record: Record) -> Iterator[Row]:
    """Yield the row of an expression as Qwen-VL released them."""
    image = images_of(record["image"])[0]
    x1, y1, x2, y2 = map(float, record["bbox"])
    yield Row(id=f"{image.path}:{record['sent']}", images=(image,), question=str(record["sent"]),
              box=(x1, y1, x2, y2), group=str(image.path))  # fmt: skip


def tsv_rows(record: Record) -> Iterator[Row]:
    """Yield a row of the table of all splits: corners in pixels or, when none is over 1, as shares of the sides."""
    image = sized(images_of(record["image"])[0])
    listed = read_list(cell(record, "answer")) or [record[f"bbox_{name}"] for name in ("x1", "y1", "x2", "y2")]
    x1, y1, x2, y2 = (float(str(value)) for value in listed)
    width, height = (image.width or 1, image.height or 1) if max(x1, y1, x2, y2) <= 1 else (1, 1)
    yield Row(
        id=str(record["index"]), images=(image,), question=cell(record, "question"),
        box=(x1 * width, y1 * height, x2 * width, y2 * height), category=cell(record, "category"),
    )  # fmt: skip


def sized(image: ImageSource) -> ImageSource:
    """Return an image with its size, which boxes are measured by."""
    width, height = image_size(image)
    return replace(image, width=width, height=height)


def score(row: Row, said: str, dialect: Dialect) -> Verdict:
    """Compare the first box with the true one: half of their union has to be shared."""
    image = row.images[0]
    found = first_box(said, image.width or 1, image.height or 1, DIALECTS[dialect])
    if found is None or row.box is None:
        return unparsed()
    return judged(float(iou(found, row.box) >= HIT_IOU), ", ".join(f"{corner:.0f}" for corner in found))


TASK = Task(
    name="refcoco", title="RefCOCO", source="Qwen-VL evaluation; DeepSeek-VL2 README; VLMEvalKit RefCOCO",
    metric="accuracy at IoU 0.5",
    rows={"parquet": parquet_rows, "grounding-jsonl": jsonl_rows, "tsv": tsv_rows, "jsonl": own_row},
    profiles={
        "native-grounding": PromptRule(ask=native_grounding, max_new_tokens=NATIVE_TOKENS),
        "vlmevalkit": PromptRule(
            ask=asking(lambda row: REGION.format(row.question)), max_new_tokens=VLMEVALKIT_TOKENS, dialect="vlmevalkit"
        ),
        "lmms": PromptRule(ask=asking(lambda row: LMMS_REGION.format(row.question)), stop=("ASSISTANT:",),
                           dialect="lmms"),
    },
    score=score, num_rows={"val": 10834, "testA": 5657, "testB": 5095}, published="RefCOCO",
)  # fmt: skip
PLUS = replace(
    TASK, name="refcoco_plus", title="RefCOCO+", num_rows={"val": 10758, "testA": 5726, "testB": 4889},
    published="RefCOCO+",
)  # fmt: skip
G = replace(TASK, name="refcocog", title="RefCOCOg", num_rows={"val": 4896, "test": 9602}, published="RefCOCOg")
