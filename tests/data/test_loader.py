"""Steps hold every sample once; rows that samples share save padding; faults are counted."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from tests.data.drawn import TASKS
from vl2.core.batch import IGNORE_INDEX, PADDING
from vl2.core.errors import ImageError
from vl2.corpus.pocket import draw
from vl2.data.loader import LENGTH_STEP, Loader, cost_of, share_rows
from vl2.data.pointers import Pointer
from vl2.data.slots import FigureClasses
from vl2.data.transcribe import transcribe
from vl2.processor import Processor


def loader_of(corpus, process=None, **settings):
    processor = Processor.from_directory(corpus / "processor")
    return Loader(
        process=process or partial(processor, for_training=True, mask_prompt=True),
        pad_id=processor.pad_id, tile_size=96, side=6, classes=FigureClasses(["red circle"]), skipped=Counter(),
        **settings,
    )  # fmt: skip


def stream():
    index = 0
    while True:
        for task in TASKS:
            yield draw(task, "train", 0, index)
        index += 1


def num_documents(microbatch):
    return int(microbatch.batch.documents.amax(1).sum())


def test_a_step_holds_its_samples_and_their_targets(corpus):
    step = next(loader_of(corpus).steps(stream(), 16))
    documents, labels = step.batch.documents, step.batch.labels
    assert num_documents(step) == 16 > len(documents)
    assert documents.shape[1] % LENGTH_STEP == 0
    assert step.slots is not None and len(step.slots.figures) == len(step.batch.tiles)
    for row, asked in zip(documents, labels != IGNORE_INDEX, strict=True):
        for number in row.unique():
            assert asked[row == number].any() == (number != PADDING)


def test_what_is_pointed_at_moves_with_its_document(corpus):
    processor = Processor.from_directory(corpus / "processor")
    alone = loader_of(corpus, point=Pointer(processor.tokenizer, 96, 6))
    step = next(alone.steps(stream(), 16))
    pointers, batch = step.pointers, step.batch
    assert pointers is not None and int(batch.documents[pointers.rows].amax()) > 1
    said = sorted(
        (int(one.model_input.input_ids[place.position + 1]), one.model_input.input_ids[place.targets].tolist())
        for sample in islice(stream(), 16)
        for one in [alone._try(sample)]
        if one is not None
        for place in one.places
    )
    width = pointers.targets.shape[1]
    assert said == sorted(
        (int(batch.input_ids[row, position + 1]), batch.input_ids[row, :width][targets].tolist())
        for row, position, targets in zip(pointers.rows, pointers.positions, pointers.targets, strict=True)
    )
    own = batch.documents[pointers.rows, pointers.positions]
    assert (~pointers.targets | (batch.documents[pointers.rows, :width] == own[:, None])).all()


def test_a_fault_skips_the_sample_and_is_counted(corpus):
    whole = loader_of(corpus)
    calls = Counter()

    def faulty(sample):
        calls["all"] += 1
        if calls["all"] % 2:
            raise ImageError("picture", "is broken")
        return whole.process(sample)

    loader = loader_of(corpus, faulty)
    assert num_documents(next(loader.steps(stream(), 8))) == 8
    assert loader.skipped["picture"] == 8


def test_large_pictures_are_thinned_out(corpus):
    loader = loader_of(corpus, large_share=0.0)
    grids = next(loader.steps(stream(), 12)).batch.grids
    assert grids and all(grid.num_tiles == 1 for grid in grids)


@given(st.lists(st.integers(1, 600), min_size=1, max_size=40))
def test_rows_hold_every_sample_once_and_cost_no_more_than_one_a_sample(lengths):
    rows = share_rows(lengths)
    assert sorted(number for row in rows for number in row) == list(range(len(lengths)))
    assert cost_of(rows, lengths) <= cost_of([[number] for number in range(len(lengths))], lengths)


def test_a_transcript_tells_what_is_drawn():
    told = transcribe(draw("ground", "train", 0, 0))
    text = " ".join(getattr(part, "label", "") for part in told.messages[0].parts)
    assert not told.images and all(item.label in text for item in draw("ground", "train", 0, 0).objects)
