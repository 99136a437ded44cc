"""What each filter says of small texts and pictures whose answer is known."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.corpus.dedup.judged import text_row
from tests.corpus.dedup.planted import png, scene, smaller
from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, ImageSource, Message, Sample, TextPart
from vl2.corpus.filters.benchmark import Benchmarks, Known
from vl2.corpus.filters.code_mix import code_mix
from vl2.corpus.filters.language import LANGUAGES, language, main_language
from vl2.corpus.filters.licence import LicencePolicy
from vl2.corpus.filters.mismatch import mismatch
from vl2.corpus.filters.ocr_agreement import ocr_agreement
from vl2.corpus.filters.picture import picture
from vl2.corpus.filters.refusal import refusal
from vl2.corpus.filters.repetition import longest_loop, repeated_lines, repeated_words, repetition
from vl2.corpus.filters.template import template
from vl2.corpus.filters.truncation import truncation


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The cat sits on the mat and looks at the bird.", "en"),
        ("Red bicycle", "en"),
        ("图中有一只猫。", "zh"),
        ("図の中に猫がいます。", "ja"),
        ("그림에 고양이가 있습니다.", "ko"),
        ("На картине кошка.", "ru"),
        ("القطة على السجادة", "ar"),
        ("Die Katze sitzt auf der Matte und schläft.", "de"),
        ("Le chat est assis sur le tapis et dort.", "fr"),
        ("El gato está sentado en la alfombra y duerme.", "es"),
        ("Il gatto è seduto sul tappeto della cucina.", "it"),
        ("O gato está sentado no tapete e não dorme.", "pt"),
        ("De kat zit op de mat en slaapt.", "nl"),
        ("Η γάτα κάθεται", "other"),
        ("12 + 30 = 42", None),
        ("", None),
    ],
)
def test_language(text, wanted):
    assert main_language(text) == wanted
    shares = language(text)
    assert tuple(shares) == LANGUAGES and sum(shares.values()) == pytest.approx(0.0 if wanted is None else 1.0)


def test_repetition_is_a_share():
    assert repeated_lines("one whole line\nsome other\none whole line") == pytest.approx(14 / 38)
    assert repeated_lines("all too short\nrow, row, row,\nthe boat is old\nrow, row, row,\ngo") == 0.0  # a refrain
    assert repeated_lines("else:\n    pass\nelse:\n    pass") == 0.0
    assert repeated_words("a b c d e f g h x y z a b c d e f g h u v w") == pytest.approx(8 / 22)
    assert repeated_words("a b c d e x y z u v w a b c d e") == 0.0  # a figure of speech
    assert repeated_words("It all began here. Nobody knows why so late. It all began here.") == 0.0
    said = "It had all begun here. Nobody knows why it was so late. It had all begun here."
    assert repeated_words(said) == pytest.approx(2 * 5 / 17)
    assert longest_loop("xyz" + "abc " * 9) == pytest.approx(27 / 30, abs=0.04)
    assert longest_loop("9" * 500) == 1.0
    assert longest_loop("哈哈哈") == longest_loop("") == 0.0
    long = "The red bicycle leans against a wall of the old bakery. " * 7
    assert longest_loop("He said: " + long) > 0.9


@pytest.mark.parametrize(
    "text",
    [
        "<|im_start|>assistant", "### Response:\nA cat.", "USER: What is it?", "A {caption} of a cat", "[INSERT NAME]",
        "As an AI language model, I think it is a cat.", "The original caption says: a cat.", "作为一个AI语言模型",
        "Here is the rewritten caption: a cat", "根据您提供的OCR",
    ],
)  # fmt: skip
def test_templates_leak(text):
    assert template("What?", text)["leaks"] > 0


@pytest.mark.parametrize(
    "text", ["The user interface shows a button.", "A cat [left] and {1, 2}", "See ### in the text", "图中的助手在说话"]
)
def test_other_text_is_no_template(text):
    assert template("What?", text) == {"leaks": 0, "echo": 0.0}


def test_an_echo_is_the_question_again():
    question = "What colour is the car in the picture?"
    assert template(question, f"{question} It is red.")["echo"] == 1.0
    assert template(question, "What colour? Red.")["echo"] == 0.25
    assert template("A car?", "A car.")["echo"] == 0.0


@pytest.mark.parametrize(
    ("text", "declines"),
    [
        ("I'm sorry, but I can't help with that.", 1),
        ("Sorry, I am unable to view images.", 1),
        ("I cannot assist with this request.", 1),
        ("No image was provided.", 1),
        ("Please upload the image first.", 1),
        ("很抱歉，我无法识别图中的人物。", 1),
        ("我无法查看图片，请提供图片。", 1),
        ("The man says that he is sorry.", 0),
        ("I can see the cat; it cannot reach the fish.", 0),
        ("The door is locked, so nobody can help.", 0),
        ("他对不起他的朋友。", 0),
        ("图中的孩子看不到后面的猫。", 0),
    ],
)
def test_refusal(text, declines):
    assert refusal(text) == {"declines": declines}


def test_a_blurred_picture_is_less_sharp():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 180, 3), np.uint8))
    sharp, blurred = picture(noise), picture(noise.filter(ImageFilter.GaussianBlur(4)))
    assert sharp["sharpness"] > 1000 and blurred["sharpness"] < 20
    assert (sharp["short_side"], sharp["long_side"], sharp["aspect"]) == (90, 180, 2.0)
    blank = picture(Image.new("RGB", (4000, 100), "white"))
    assert blank["blank"] == 1.0 and blank["sharpness"] == 0.0 and blank["aspect"] == 40
    assert picture(Image.new("L", (2, 1)))["sharpness"] == 0.0


def test_sharpness_is_the_variance_of_the_laplacian():
    grey = np.random.default_rng(1).integers(0, 255, (7, 9), np.uint8)
    padded = grey.astype(float)
    wanted = [
        padded[y - 1, x] + padded[y + 1, x] + padded[y, x - 1] + padded[y, x + 1] - 4 * padded[y, x]
        for y in range(1, 6)
        for x in range(1, 8)
    ]
    assert picture(Image.fromarray(grey))["sharpness"] == pytest.approx(np.var(wanted), rel=1e-5)


def test_quotations_and_numbers_are_looked_up_in_what_was_read():
    read = ["GRAND H0TEL", "Tel. 030-4455"]
    assert ocr_agreement('It says "Grand Hotel".', read) == {"claims": 1, "agreement": 1.0}
    assert ocr_agreement('The number under "Grand Hotel" is 030 4456.', read)["agreement"] == pytest.approx(2 / 3)
    assert ocr_agreement("It says “Closed on Sundays”.", read)["agreement"] == 0.0
    assert ocr_agreement("A hotel with 12 rooms.", read) == {"claims": 0, "agreement": 1.0}
    assert ocr_agreement("招牌上写着“大饭店”。", ["上海大饭店"])["agreement"] == 1.0


@pytest.mark.parametrize(
    ("question", "answer", "num_images", "fault"),
    [
        ("What is it?", "In the picture there is a cat.", 0, "images"),
        ("图里有什么？", "图片中有一只猫。", 0, "images"),
        ("What is it?", "The third image shows a cat.", 2, "images"),
        ("图里有什么？", "第三张图片里有一只猫。", 2, "images"),
        ("图里有什么？", "There is a cat on a chair.", 1, "language"),
        ("What is in this picture?", "图里有一只坐在椅子上的猫，旁边还有一只狗。", 1, "language"),
        ("What is it?", "In the picture there is a cat.", 1, None),
        ("用英文描述这张图。", "There is a cat on a chair.", 1, None),
        ("Translate the sign.", "请勿在此处停车，谢谢您的合作，祝您愉快。", 1, None),
        ("图里写了什么？", "Grand Hotel", 1, None),
        ("Say something.", "A cat is an animal.", 0, None),
    ],
)
def test_mismatch(question, answer, num_images, fault):
    turns = (Message("user", (TextPart(question),)), Message("assistant", (TextPart(answer),)))
    found = mismatch(Sample("row", turns, images=(ImageSource(),) * num_images))
    assert [name for name, value in found.items() if value] == ([fault] if fault else [])


LONG = [
    "a" * 90_000 + "图", "：" + "a " * 60_000 + "图", ":图" * 40_000 + "a", "图" * 60_000 + " A" + "b" * 60_000,
    "A-" * 60_000,
    "<div " * 30_000, "if " + ":" * 90_000, "{\n" * 40_000, "a = '" * 30_000, "图 A" * 40_000, "Is it. " * 20_000,
    "Name: " * 20_000, "第二张" * 40_000, "the image " * 12_000, "a1 " * 40_000,
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(LONG)))
def test_long_texts_take_little_time(number):
    """Half a second of processor time for about 120,000 characters; quadratic patterns would take minutes."""
    text = LONG[number]
    turns = (Message("user", (TextPart("What is it?"),)), Message("assistant", (TextPart(text),)))
    asked = [lambda f=f: f(text) for f in (code_mix, repetition, truncation)]
    for measure in (*asked, lambda: mismatch(Sample("row", turns))):
        started = time.process_time()
        measure()
        assert time.process_time() - started < 0.5


def test_boxes_of_another_thing_are_a_mismatch():
    def boxed(label: str, answered: str) -> float:
        turns = (
            Message("user", (BoxesPart(label, ()),)),
            Message("assistant", (BoxesPart(answered, (Box(1, 2, 3, 4),)),)),
        )
        return mismatch(Sample("row", turns))["label"]

    assert boxed("cat", "dog") == 1 and boxed("Cat ", "cat") == 0


def test_licences_are_patterns():
    row = text_row("a")
    row.provenance["licence"] = "cc-by-nc-4.0"
    assert LicencePolicy().find_reason(row) is None
    assert LicencePolicy(allow=("CC-BY-*", "MIT")).find_reason(row) is None
    assert LicencePolicy(allow=("CC-BY-*",), refuse=("*-NC-*",)).find_reason(row) == "licence cc-by-nc-4.0"
    assert LicencePolicy(allow=("MIT",)).find_reason(row) == "licence cc-by-nc-4.0"


def test_benchmark_rows_are_known_again():
    secret = "How many of the seven wooden boats have a red sail and a blue hull?"
    known = Known.of([text_row(secret, png(scene(1))), text_row("Yes or no?")], Benchmarks(against=()))
    inside = known.measure(text_row(f"Tell me now. {secret} Three."))
    assert inside["text"] > 0.4 and inside["picture"] == 0
    assert known.measure(text_row("Yes or no? I would say that this is a matter of taste and time.")) == {
        "text": 0.0, "picture": 0.0,
    }  # fmt: skip
    assert known.measure(text_row("a", png(smaller(scene(1)))))["picture"] == 1
    assert known.measure(text_row("a", png(scene(2))))["picture"] == 0
