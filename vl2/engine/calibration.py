"""Material to calibrate on and to compare models on: conversations about pictures, as batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from vl2.core.batch import Batch, ModelInput
from vl2.core.errors import ConversationError
from vl2.core.sample import ImagePart, ImageSource, Message, Sample, TextPart
from vl2.data.faults import Fault
from vl2.data.records import open_records
from vl2.data.shards import ShardFolder
from vl2.engine.prompts import CAPTION, READ
from vl2.processor import Processor

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
# Of one batch. A tile's attention in the vision tower takes 100 MB in float32.
MOST_TOKENS, MOST_TILES = 4096, 16


def read_samples(path: Path, most: int) -> list[Sample]:
    """Return at most `most` samples of a file of records, of a folder of shards, of a picture or of a folder of those.

    A folder of folders of shards gives equal shares. Pictures are asked to be read and described, without answers.
    Raises VL2Error when there is nothing of this, or a row that is no sample.
    """
    found = list(islice(_samples(path, most), most))
    if not found:
        raise ConversationError(
            str(path), "holds nothing to look at", expected="samples (.jsonl), shards (.tar) or pictures",
            do="Give another file or folder.",
        )  # fmt: skip
    return found


def _samples(path: Path, most: int) -> Iterator[Sample]:
    if path.is_file():
        return _questions([path]) if path.suffix.lower() in PICTURES else _rows(path)
    folders = sorted({file.parent for pattern in ("*.tar", "*/*.tar") for file in path.glob(pattern)})
    if not folders:
        return _questions(sorted(file for file in path.glob("*") if file.suffix.lower() in PICTURES))
    shares = [most // len(folders) + (number < most % len(folders)) for number in range(len(folders))]
    return chain.from_iterable(islice(ShardFolder(folder), n) for folder, n in zip(folders, shares, strict=True))


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


def _rows(path: Path) -> Iterator[Sample]:
    """Yield the samples of a file of records; paths of images are relative to it."""
    for number, row in enumerate(open_records(str(path)), start=1):
        if isinstance(row, Fault):
            raise ConversationError(f"{path}: row {number}", row.reason, do="Correct it, or leave it out.")
        yield row


def _questions(pictures: list[Path]) -> Iterator[Sample]:
    for text in (READ, *CAPTION.values()):
        for file in pictures:
            question = Message("user", (ImagePart(), TextPart(f"\n{text}")))
            messages = (question, Message("assistant", ()))
            yield Sample(id=f"{file.name}:{text}", messages=messages, images=(ImageSource(path=str(file)),))
