"""Pruned images in the engine: counts, keys and answers are those of the kept share, and where it is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import vl2
from tests.engine import tiny
from vl2.core.errors import ConfigError
from vl2.core.sample import BoxesPart, TextPart
from vl2.core.tiles import TileGrid
from vl2.engine.answer import generate
from vl2.engine.assistant import Assistant
from vl2.engine.conversation import asking
from vl2.engine.engine import Engine, EngineSettings
from vl2.engine.request import Request
from vl2.engine.sampler import SamplingSettings

TOKENIZER = tiny.byte_tokenizer()
SHORT = SamplingSettings(max_new_tokens=6)
IMAGE = np.random.default_rng(0).integers(0, 255, (150, 200, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def assistant(tmp_path_factory: pytest.TempPathFactory) -> Assistant:
    return vl2.load(tiny.write_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny"))


def request_of(share: float, seed: int = 0) -> Request:
    return Request(prompt=tiny.prompt(TOKENIZER, "\nWhich?", (TileGrid(2, 2, share),), seed=seed), settings=SHORT)


def test_another_share_is_another_image_to_the_caches():
    model = tiny.tiny_model()
    requests = [request_of(share) for share in (1.0, 0.5, 0.25, 0.5)]
    lone = [generate(model, TOKENIZER, [request])[0] for request in requests]
    assert [answer.usage.image_tokens for answer in lone] == [43 + 12 + kept for kept in (144, 72, 36, 72)]
    engine = Engine(model, TOKENIZER, EngineSettings(cache_tokens=2000))
    reused, said = [], []
    for request in requests:
        engine.add(request)
        before = engine.scheduler.num_reused
        tokens: list[int] = []
        while engine.has_work:
            for event in engine.step():
                tokens += event.token_ids
        said.append(tuple(tokens))
        reused.append(engine.scheduler.num_reused - before)
    assert said == [answer.token_ids for answer in lone]
    assert reused[:3] == [0, 0, 0] and reused[3] > 0
    assert engine.features.num_misses == 3
    assert engine.pool.num_used == 0


def test_pruned_images_of_a_batch_are_answered_as_alone():
    model = tiny.tiny_model()
    requests = [request_of(share, seed) for seed, share in enumerate((0.3, 1.0, 0.7, 0.05))]
    together = [answer.token_ids for answer in generate(model, TOKENIZER, requests)]
    assert together == [generate(model, TOKENIZER, [request])[0].token_ids for request in requests]


def test_usage_counts_what_was_seen(assistant: Assistant):
    whole, half = (assistant.ask(IMAGE, "What?", max_new_tokens=1, kept_share=share).usage for share in (1.0, 0.5))
    assert whole.image_tokens - half.image_tokens == whole.prompt_tokens - half.prompt_tokens == 72
    few = assistant.ask([IMAGE, IMAGE], "What?", max_new_tokens=1, image_tokens=300).usage
    assert few.image_tokens == 2 * 121  # two tiles each, where four would be chosen
    assert assistant.ask(IMAGE, "What?", max_new_tokens=1, max_tiles=1).usage.image_tokens == 85


def test_reading_and_boxes_need_every_token(assistant: Assistant):
    for verb in (assistant.read, lambda image, **options: assistant.detect(image, "dot", **options),
                 lambda image, **options: assistant.point(image, "dot", **options),
                 lambda image, **options: assistant.ask(image, "Where is <|ref|>the dot<|/ref|>?", **options),
                 lambda image, **options: assistant.ask(image, "<|grounding|>Describe it.", **options)):  # fmt: skip
        with pytest.raises(ConfigError, match="not for reading and boxes"):
            verb(IMAGE, kept_share=0.5, max_new_tokens=1)
        assert verb(IMAGE, kept_share=1.0, image_tokens=500, max_new_tokens=1).usage.completion_tokens <= 1


def test_refused_before_an_image_is_opened(assistant: Assistant, tmp_path: Path):
    missing = tmp_path / "none.png"
    with pytest.raises(ConfigError, match="not for reading"):
        assistant.request(
            asking((missing,), BoxesPart("dot", ())), SHORT, vl2_budget(kept_share=0.5)
        )
    with pytest.raises(ConfigError, match="Did you mean 'kept_share'"):
        assistant.ask(missing, "What?", kept_shar=0.5)
    with pytest.raises(ConfigError, match="image_tokens: too few"):
        assistant.request(asking((IMAGE,), TextPart("What?")), SHORT, vl2_budget(image_tokens=84))


def vl2_budget(**values: float):
    from vl2.processor import ImageBudget

    return ImageBudget(**values)  # type: ignore[arg-type]
