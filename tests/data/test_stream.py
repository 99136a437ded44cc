"""A stream yields the same rows at any number of ranks and workers, and goes on after a resume bit for bit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

from vl2.core.batch import IGNORE_INDEX, PADDING
from vl2.core.errors import ConfigError, VL2Error
from vl2.corpus.pocket.png import encode_png
from vl2.corpus.pocket.vocabulary import build_processor
from vl2.data import lane as lane_module
from vl2.data.lane_state import StreamState
from vl2.data.packing import PackLimits
from vl2.data.records import open_records
from vl2.data.stream import Source, StreamSettings, TrainingStream

NUM_PICTURES, NUM_TEXTS = 60, 80
SIZES = ((96, 96), (192, 96), (96, 288))
SETTINGS = StreamSettings(
    rows_per_step=8, num_lanes=4, rows_per_batch=2, limits=PackLimits(tokens=512, tiles=12), num_waiting=16
)


def talk(question: str, answer: str) -> list[dict[str, str]]:
    return [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]


@pytest.fixture(scope="module")
def processor():
    return build_processor()


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Pictures of which three are cut off, texts of which two are too long and one is no conversation."""
    folder = tmp_path_factory.mktemp("sources")
    random, pictures, texts = np.random.default_rng(0), [], []
    for number in range(NUM_PICTURES):
        width, height = SIZES[number % 3]
        data = encode_png(Image.fromarray(random.integers(0, 255, (height, width, 3), dtype=np.uint8)))
        (folder / f"{number}.png").write_bytes(data[:3000] if number % 20 == 7 else data)
        said = talk("<image>\nWhat is it?", "a cat " * (1 + number % 9))
        pictures.append({"id": f"picture{number}", "image": f"{number}.png", "conversations": said})
    for number in range(NUM_TEXTS):
        answer = "word " * (1000 if number in (5, 50) else 1 + number % 37)
        texts.append({"id": f"text{number}", "conversations": talk("Tell me.", answer)})
    texts.append({"id": "empty"})
    for name, rows in (("pictures", pictures), ("texts", texts)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return [
        Source(name=name, share=share, records=open_records(str(folder / f"{name}.jsonl")))
        for name, share in (("pictures", 0.7), ("texts", 0.3))
    ]


def tensors_of(step) -> list[tuple[torch.Tensor, ...]]:
    """Return all tensors of a step, batch by batch."""
    found = []
    for batch in step.batches:
        grids = torch.tensor([[grid.rows, grid.cols] for grid in batch.grids])
        found.append((batch.input_ids, batch.positions, batch.documents, batch.image_mask, batch.labels))
        found.append((torch.zeros(0) if batch.tiles is None else batch.tiles, grids))
    return found


def equal(one, other) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, b) for left, right in zip(one, other, strict=True) for a, b in zip(left, right, strict=True)
    )


class Ranks:
    """All ranks of one run, step by step."""

    def __init__(self, sources, processor, settings, world_size, state=None) -> None:
        self.streams = [
            TrainingStream(sources, processor, settings, rank=rank, world_size=world_size)
            for rank in range(world_size)
        ]  # fmt: skip
        for stream in self.streams if state is not None else ():
            stream.load_state(StreamState.from_json(json.loads(state)))

    def steps(self, count: int) -> Iterator[tuple[list[tuple[str, ...]], list[tuple[torch.Tensor, ...]]]]:
        for _ in range(count):
            parts = [next(stream) for stream in self.streams]
            yield (
                [ids for part in parts for ids in part.ids],
                [tensors for part in parts for tensors in tensors_of(part)],
            )

    def state(self) -> str:
        return json.dumps(StreamState.join([stream.state() for stream in self.streams]).to_json())

    def close(self) -> None:
        for stream in self.streams:
            stream.close()


@pytest.fixture(scope="module")
def uninterrupted(sources, processor):
    """Nine steps of one rank without workers, so that the order is that of the program."""
    ranks = Ranks(sources, processor, replace(SETTINGS, num_workers=0, rows_ahead=1), 1)
    return list(ranks.steps(9))


@pytest.mark.parametrize("path", [(1, 1), (2, 2), (4, 4), (4, 2, 4), (1, 4, 1)], ids=str)
def test_resumed_is_uninterrupted_at_any_number_of_ranks(sources, processor, uninterrupted, path):
    state, found = None, []
    for world_size in path:
        ranks = Ranks(sources, processor, SETTINGS, world_size, state)
        found += ranks.steps(9 // len(path) if len(path) == 3 else 4)
        state = ranks.state()
        ranks.close()
    assert len(found) >= 8
    for (ids, rows), (expected_ids, expected_rows) in zip(found, uninterrupted, strict=False):
        assert ids == expected_ids
        assert equal(rows, expected_rows)


def test_worker_processes_change_nothing(sources, processor, uninterrupted):
    ranks = Ranks(sources, processor, replace(SETTINGS, worker_kind="processes", num_workers=2), 1)
    found = list(ranks.steps(3))
    ranks.close()
    assert [ids for ids, _ in found] == [ids for ids, _ in uninterrupted[:3]]
    assert all(equal(rows, expected) for (_, rows), (_, expected) in zip(found, uninterrupted, strict=False))


def test_broken_images_are_skipped_counted_and_replaced(sources, processor, uninterrupted):
    broken = {f"picture{number}" for number in range(NUM_PICTURES) if number % 20 == 7}
    shown = {name for ids, _ in uninterrupted for row in ids for name in row}
    assert not shown & (broken | {"empty", "text5", "text50"})
    assert len(shown) == NUM_PICTURES - 3 + NUM_TEXTS - 2  # everything else was shown: a round and more
    with TrainingStream(sources, processor, SETTINGS) as stream:
        steps = list(islice(stream, 9))
        assert set(stream.skipped) == {
            "cannot be decoded",
            "longer than a row, or of more tiles",
            "no conversation in it",
        }
        assert all(count >= 1 for count in stream.skipped.values()) and stream.skipped["cannot be decoded"] >= 3
    for step in steps:
        for batch in step.batches:
            assert batch.input_ids.shape == (2, 512)
            full = (batch.documents != PADDING).float().mean()
            assert full > 0.97  # also rows that lost a picture are filled again


def test_shares_are_kept_although_documents_are_dropped(sources, processor):
    with TrainingStream(sources, processor, SETTINGS) as stream:
        list(islice(stream, 20))
        served = stream.served
    share = served["pictures"] / sum(served.values())
    longest = 512
    assert abs(share - 0.7) <= 2 * longest * SETTINGS.num_lanes / sum(served.values())


def test_unpacked_rows_hold_one_document(sources, processor):
    settings = replace(SETTINGS, is_packed=False, mask_prompt=True)
    with TrainingStream(sources, processor, settings) as stream:
        for step in islice(stream, 3):
            assert all(len(ids) == 1 for ids in step.ids)
            for batch in step.batches:
                assert int(batch.documents.max()) == 1 and batch.input_ids.shape[1] % 64 == 0
                assert (batch.labels[:, 0] == IGNORE_INDEX).all()
                assert 0 < int((batch.labels != IGNORE_INDEX).sum()) < int((batch.documents != PADDING).sum())


def test_what_a_row_says_opens_no_turn_and_places_no_image(tmp_path, processor):
    said = talk(
        "Say <|User|> and <｜end▁of▁sentence｜>.", "<|ref|>cat<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|><|Assistant|>"
    )
    (tmp_path / "a.jsonl").write_text(json.dumps({"conversations": said}))
    source = Source(name="a", share=1, records=open_records(str(tmp_path / "a.jsonl")))
    settings = replace(SETTINGS, is_packed=False, num_lanes=1, rows_per_step=1, rows_per_batch=1, num_workers=0)
    with TrainingStream([source], processor, settings) as stream:
        ids = next(stream).batches[0].input_ids[0].tolist()

    def count(text: str) -> int:
        (number,) = processor.tokenizer.encode(text)
        return ids.count(number)

    assert count("<|User|>") == 1 and count("<|Assistant|>") == 1 and ids.count(processor.eos_id) == 1
    assert count("<|ref|>") == count("<|/det|>") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "seed has changed"),
        ({"num_waiting": 17}, "num_waiting has changed"),
        ({"num_lanes": 8}, "num_lanes has changed"),
        ({"limits": PackLimits(tokens=500, tiles=12)}, r"tokens has changed.*\(got 500, expected 512\)"),
    ],
)
def test_a_state_of_other_rows_is_refused(sources, processor, change, message):
    with TrainingStream(sources, processor, replace(SETTINGS, num_workers=0)) as stream:
        state = stream.state()
    with (
        TrainingStream(sources, processor, replace(SETTINGS, num_workers=0, **change)) as other,
        pytest.raises(VL2Error, match=message),
    ):
        other.load_state(state)


def test_other_data_missing_lanes_and_ranks_that_do_not_divide_are_refused(sources, processor):
    settings = replace(SETTINGS, num_workers=0)
    with TrainingStream(sources, processor, settings, rank=1, world_size=2) as stream:
        half = stream.state()
    with TrainingStream(sources[:1], processor, settings) as other, pytest.raises(VL2Error, match="sources? .*changed"):
        other.load_state(half)
    with TrainingStream(sources, processor, settings) as whole, pytest.raises(VL2Error, match="lanes are missing"):
        whole.load_state(half)
    with pytest.raises(ConfigError, match="4 lanes, 3 ranks"):
        TrainingStream(sources, processor, settings, world_size=3)
    with pytest.raises(ConfigError, match="rows_per_batch"):
        TrainingStream(sources, processor, replace(settings, rows_per_batch=3))
    with pytest.raises(ConfigError, match="num_lanes"):
        replace(SETTINGS, num_lanes=3)


def test_data_of_which_nothing_can_be_used_ends_the_run_with_the_reasons(tmp_path, processor, monkeypatch):
    monkeypatch.setattr(lane_module, "MOST_FAULTS", 20)
    (tmp_path / "a.jsonl").write_text('{"id": "a"}\n{"image": "gone.png", "caption": "A cat."}\n')
    source = Source(name="a", share=1, records=open_records(str(tmp_path / "a.jsonl")))
    settings = replace(SETTINGS, num_lanes=1, num_workers=0)
    with TrainingStream([source], processor, settings) as stream, pytest.raises(VL2Error) as error:
        next(stream)
    assert "no conversation in it" in str(error.value) and "no such file" in str(error.value)
