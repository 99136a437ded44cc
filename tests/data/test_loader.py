"""Steps hold every sample once; the cut into short and long rows saves padding; faults are counted."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from tests.data.drawn import TASKS
from vl2.core.batch import IGNORE_INDEX
from vl2.core.errors import ImageError
from vl2.corpus.pocket import draw
from vl2.data.loader import CALL_COST, LENGTH_STEP, Loader, best_cut
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


def test_a_step_holds_its_samples_and_their_targets(corpus):
    step = next(loader_of(corpus).steps(stream(), 16))
    assert sum(len(part.batch.input_ids) for part in step) == 16
    for part in step:
        assert part.batch.input_ids.shape[1] % LENGTH_STEP == 0
        assert part.slots is not None and len(part.slots.figures) == len(part.batch.tiles)
        assert ((part.batch.labels != IGNORE_INDEX).sum(1) > 0).all()


def test_a_fault_skips_the_sample_and_is_counted(corpus):
    whole = loader_of(corpus)
    calls = Counter()

    def faulty(sample):
        calls["all"] += 1
        if calls["all"] % 2:
            raise ImageError("picture", "is broken")
        return whole.process(sample)

    loader = loader_of(corpus, faulty)
    assert sum(len(part.batch.input_ids) for part in next(loader.steps(stream(), 8))) == 8
    assert loader.skipped["picture"] == 8


def test_large_pictures_are_thinned_out(corpus):
    loader = loader_of(corpus, large_share=0.0)
    for part in islice(loader.steps(stream(), 12), 1):
        assert all(len(row.batch.grids) and row.batch.grids[0].num_tiles == 1 for row in part)


@given(st.lists(st.integers(1, 600), min_size=1, max_size=40))
def test_the_cut_never_costs_more_than_no_cut(lengths):
    lengths = sorted(lengths)
    cut = best_cut(lengths)
    groups = [group for group in (lengths[:cut], lengths[cut:]) if group]
    cost = sum(len(group) * group[-1] + CALL_COST for group in groups)
    assert cost <= len(lengths) * lengths[-1] + CALL_COST


def test_a_transcript_tells_what_is_drawn():
    told = transcribe(draw("ground", "train", 0, 0))
    text = " ".join(getattr(part, "label", "") for part in told.messages[0].parts)
    assert not told.images and all(item.label in text for item in draw("ground", "train", 0, 0).objects)
