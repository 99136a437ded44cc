"""Every task draws the same sample again, and conversations have the promised form."""

from collections import Counter

import pytest

from vl2.core.errors import VL2Error
from vl2.core.sample import ImagePart, Sample, TextPart, sample_from_dict, sample_to_dict
from vl2.corpus.pocket import BENCH_KINDS, TASKS, draw

SAMPLES = 24


@pytest.fixture(scope="module", params=TASKS)
def samples(request: pytest.FixtureRequest) -> list[Sample]:
    return [draw(request.param, "train", 3, index) for index in range(SAMPLES)]


@pytest.fixture(scope="module", params=TASKS)
def heldout(request: pytest.FixtureRequest) -> list[Sample]:
    return [draw(request.param, "heldout", 3, index) for index in range(SAMPLES)]


def test_same_arguments_draw_the_same_sample(samples: list[Sample]) -> None:
    for index in (0, 7):
        assert draw(samples[0].provenance["task"], "train", 3, index) == samples[index]


def test_seed_split_and_index_change_the_sample(samples: list[Sample]) -> None:
    task = samples[0].provenance["task"]
    others = [draw(task, "train", 4, 0), draw(task, "heldout", 3, 0), draw(task, "train", 3, 1)]
    assert all(other.id != samples[0].id for other in others)
    assert any(other.messages != samples[0].messages for other in others)


def test_training_conversations_start_with_their_images(samples: list[Sample]) -> None:
    for sample in samples:
        roles = [message.role for message in sample.messages]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        first = sample.messages[0].parts
        assert sum(isinstance(part, ImagePart) for part in first) == len(sample.images)
        if sample.images:
            assert isinstance(first[0], ImagePart)
            assert isinstance(first[-1], TextPart)
            assert first[-1].text.startswith("\n")
        assert len(roles) // 2 <= TASKS[sample.provenance["task"]].turns[1]


def test_heldout_samples_have_one_turn_and_its_answer(heldout: list[Sample]) -> None:
    for sample in heldout:
        assert len(sample.messages) == 2
        answer = sample.messages[1].parts
        if all(isinstance(part, TextPart) for part in answer):
            assert sample.answers[0] == answer[0].text
        else:
            assert sample.answers == ()


def test_heldout_kinds_are_balanced(heldout: list[Sample]) -> None:
    kinds = Counter(sample.provenance["kind"] for sample in heldout)
    assert set(kinds) == set(TASKS[heldout[0].provenance["task"]].kinds)
    assert max(kinds.values()) - min(kinds.values()) <= 1
    assert all(BENCH_KINDS[kind] == heldout[0].provenance["task"] for kind in kinds)


def test_samples_survive_their_record(samples: list[Sample]) -> None:
    for sample in samples[:4]:
        assert sample_from_dict(sample_to_dict(sample), sample.images) == sample


def test_unknown_task_is_refused() -> None:
    with pytest.raises(VL2Error, match="read_word"):
        draw("read_words", "train", 0, 0)
