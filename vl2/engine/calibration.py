"""Material to calibrate on and to compare models on: conversations about pictures, as batches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from vl2.core.batch import Batch, ModelInput
from vl2.core.errors import ConversationError
from vl2.core.sample import ImagePart, ImageSource, Message, Sample, TextPart, sample_from_dict
from vl2.data.shards import ShardFolder
from vl2.engine.prompts import CAPTION, READ
from vl2.processor import Processor

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
# Of one batch. A tile's attention in the vision tower takes 100 MB in float32.
MOST_TOKENS, MOST_TILES = 4096, 16


def read_samples(path: Path, most: int) -> list[Sample]:
    """Return at most `most` samples of a JSONL file of samples, of a folder of shards, or of a folder of pictures.

    A folder of folders of shards gives equal shares. Pictures are asked to be read and described, without answers.
    Raises ConversationError when there is nothing of this.
    """
    if path.is_file():
        return list(islice(_records(path), most))
    folders = sorted({file.parent for pattern in ("*.tar", "*/*.tar") for file in path.glob(pattern)})
    if folders:
        shares = [most // len(folders) + (number < most % len(folders)) for number in range(len(folders))]
        return [one for folder, n in zip(folders, shares, strict=True) for one in islice(ShardFolder(folder), n)]
    pictures = sorted(file for file in path.glob("*") if file.suffix.lower() in PICTURES)
    if not pictures:
        raise ConversationError(
            str(path), "holds nothing to look at", expected="samples (.jsonl), shards (.tar) or pictures",
            do="Give another file or folder.",
        )  # fmt: skip
    return list(islice(_questions(pictures), most))


def one_batch(samples: Iterable[Sample], processor: Processor) -> Batch:
    """Return all samples as one batch for a streamed model, packed into rows of the longest."""
    inputs = sorted(_inputs(samples, processor), key=lambda one: -len(one.input_ids))
    room = len(inputs[0].input_ids)
    rows: list[list[ModelInput]] = []
    for one in inputs:
        fitting = (row for row in rows if sum(len(other.input_ids) for other in (*row, one)) <= room)
        row = next(fitting, None)
        if row is None:
            rows.append(row := [])
        row.append(one)
    return Batch.from_inputs(rows, processor.pad_id)


def batches(samples: Iterable[Sample], processor: Processor) -> Iterator[Batch]:
    """Yield batches of about equal lengths that a loaded model can take, one row a sample."""
    waiting: list[ModelInput] = []
    for row in sorted(_inputs(samples, processor), key=lambda one: len(one.input_ids)):
        num_tiles = sum(len(other.tiles) for other in (*waiting, row))
        if waiting and ((len(waiting) + 1) * len(row.input_ids) > MOST_TOKENS or num_tiles > MOST_TILES):
            yield Batch.from_inputs([[one] for one in waiting], processor.pad_id)
            waiting = []
        waiting.append(row)
    if waiting:
        yield Batch.from_inputs([[one] for one in waiting], processor.pad_id)


def _inputs(samples: Iterable[Sample], processor: Processor) -> list[ModelInput]:
    return [processor(one, for_training=bool(one.messages[-1].parts), mask_prompt=True) for one in samples]


def _records(path: Path) -> Iterator[Sample]:
    """Yield the samples of a JSONL file; paths of images are relative to it."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            record = json.loads(line)
            images = tuple(ImageSource(**{**one, "path": str(path.parent / one["path"])}) for one in record["images"])
            yield sample_from_dict(record, images)
        except (ValueError, KeyError, TypeError) as error:
            raise ConversationError(
                f"{path}:{number}", "is no sample", got=repr(error)[:80], expected="one JSON record a line"
            ) from None


def _questions(pictures: list[Path]) -> Iterator[Sample]:
    for text in (READ, *CAPTION.values()):
        for file in pictures:
            question = Message("user", (ImagePart(), TextPart(f"\n{text}")))
            messages = (question, Message("assistant", ()))
            yield Sample(id=f"{file.name}:{text}", messages=messages, images=(ImageSource(path=str(file)),))
