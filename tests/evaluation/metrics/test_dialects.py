"""What each harness makes of answers that the shared cases do not hold; seen by running the harnesses."""

from __future__ import annotations

import math

import pytest

from vl2.evaluation.metrics.anls import anls
from vl2.evaluation.metrics.boxes import bracketed, corners, first_box, hit, iou
from vl2.evaluation.metrics.circular import circular_hit, question_of
from vl2.evaluation.metrics.exact import exact, exact_filtered, exact_letter, exact_or_letter
from vl2.evaluation.metrics.mathvista import Form, extract, is_right, normalise
from vl2.evaluation.metrics.mmmu import match_open, read_choice
from vl2.evaluation.metrics.options import prefetch_option, read_option, static_option
from vl2.evaluation.metrics.relaxed_accuracy import relaxed_accuracy
from vl2.evaluation.metrics.soft_accuracy import soft_accuracy
from vl2.evaluation.metrics.stated_letter import stated_letter
from vl2.evaluation.metrics.substring import contains_gold
from vl2.evaluation.metrics.totals import mme_sum, mmt_scores
from vl2.evaluation.metrics.yes_no import read_yes_no
from vl2.evaluation.standard_error import clustered_stderr, mean_stderr

ANIMALS = {"A": "cat", "B": "dog", "C": "bird", "D": "fish"}
FAILED = "Failed to obtain answer via API"


def test_anls_of_several_golds_and_of_none():
    assert anls("12 May", ["12 may", "May"]) == 1.0
    assert anls("dog", []) == 0.0
    assert anls("ß", ["ßx"], "official") == pytest.approx(2 / 3), "lengths are those of upper-cased texts"
    assert anls("ab", ["abcd"]) == 0.5 and anls("ab", ["abcd"], "official") == 0.0


@pytest.mark.parametrize(
    "said, gold, dialect, credit",
    [
        (" yes", "yes", "vlmevalkit", 1), (" yes", "yes", "lmms", 0), ("5%%", "5%", "lmms", 1),
        ("-95", "-100", "lmms", 1), ("", "", "canonical", 1), ("%", "%", "canonical", 1),
        ("１２", "12", "canonical", 1), ("0", "0%", "canonical", 0), ("nan", "5", "canonical", 0),
        ("1e400", "5", "canonical", 0),
    ],
)  # fmt: skip
def test_relaxed_accuracy(said, gold, dialect, credit):
    assert relaxed_accuracy(said, gold, dialect) == credit


@pytest.mark.parametrize(
    "said, gold, canonical, lmms",
    [
        ("hows", "how's", 1, 0), ("youre", "you're", 1, 1), ("couldnt've", "couldn't've", 1, 1),
        ("lets", "let's", 0, 0), ("somebody'd", "somebodyd", 1, 1), ("a dog", "the dog", 1, 1), ("None", "0", 1, 1),
        ("coca/cola", "coca cola", 1, 1),
        ("7-eleven", "7 eleven", 1, 1), ("a.m.", "am", 1, 1), ("5.", "5", 0, 1), ("what?", "what", 1, 1),
    ],
)  # fmt: skip
def test_soft_accuracy(said, gold, canonical, lmms):
    assert soft_accuracy(said, [gold] * 10) == canonical
    assert soft_accuracy(said, [gold] * 10, "lmms") == lmms


def test_soft_accuracy_needs_other_annotators():
    assert soft_accuracy("x", []) == 0.0 and soft_accuracy("x", ["x"]) == 0.0
    assert soft_accuracy("x", ["x"] * 3 + ["y"] * 7) == pytest.approx(0.9)


def test_letters_of_full_width_are_folded_by_lmms_but_not_in_formulas():
    assert contains_gold("Ｘ", ["x"], is_formula=False, dialect="lmms") == 1.0
    assert contains_gold("Ｘ", ["X"], is_formula=True, dialect="lmms") == 0.0
    assert contains_gold("anything", [""], is_formula=False) == 1.0


@pytest.mark.parametrize(
    "said, canonical, lmms",
    [("yes and no", "", "Yes"), ("Nope", "", "No"), ("It is no", "No", ""), ("n", "", "No"), ("N.", "", "No"),
     ("know", "", "No"), ("yes/no", "", "Yes"), ("The answer is yes", "Yes", "")],
)  # fmt: skip
def test_yes_or_no(said, canonical, lmms):
    assert read_yes_no(said) == read_yes_no(said, "vlmevalkit") == canonical
    assert read_yes_no(said, "lmms") == lmms


@pytest.mark.parametrize(
    "said, letter",
    [
        ("The answer is blue", "B"), ("the correct ANSWER  IS **d", "D"), ("The answer is: dog", "B"),
        (f"{FAILED}. The answer is C", ""), (f"{FAILED}: dog", ""), ("The answer is Z", "Z"), ("Z or A", "A"),
        ("A B", ""), ("", ""), ("the answer is egg", ""), ("a dog and nothing else but it runs in this park", ""),
    ],
)  # fmt: skip
def test_an_option_as_vlmevalkit_reads_it(said, letter):
    assert read_option(said, ANIMALS) == read_option(said, ANIMALS, "vlmevalkit") == letter


@pytest.mark.parametrize(
    "said, prefetched, static",
    [("A is a cat", "A", "A"), ("The one (B) I guess", "B", "B"), ("**C**", "", "C"), (f"{FAILED} A dog", "B", "B"),
     ("E", "E", "E"), ("It might be A or B here", "", "B"), ("none", "", "")],
)  # fmt: skip
def test_an_option_as_lmms_reads_it(said, prefetched, static):
    assert prefetch_option(said, ANIMALS) == prefetched
    assert static_option(said, ANIMALS) == static


def test_a_letter_as_mmmu_and_mmt_bench_state_it():
    assert read_choice("MEDIA", ANIMALS) == "" and read_choice("MEDIA", ANIMALS, "lmms") == "A"
    assert stated_letter("MEDIA", "ABCD") == "", "MMT-Bench wants a space before the letter"
    assert stated_letter("it is DNA. So", "ABCD") == "A"
    assert stated_letter("(A) or (B)", "ABCD") == "A" and read_choice("(A) or (B)", ANIMALS) == "B"
    assert read_choice("I think that it is a small dog", ANIMALS) == "B"


def test_open_answers():
    assert match_open("so it is 3.456", ["3.46"]) and match_open("", [""]) and not match_open("dog", ["cat"])
    assert match_open("The result is 1.5e3 volts", ["1500"])
    assert match_open("A", ["30"], "vlmevalkit") and not match_open("A", ["30"], "official")


@pytest.mark.parametrize(
    "said, gold, credit",
    [("D:", "d", 1), ("BAD.", "D", 1), (" Left. ", "left", 1), ("two", "2", 0), ("left", "left.", 0)],
)
def test_realworldqa_as_lmms(said, gold, credit):
    assert exact_or_letter(said, gold) == credit


def test_exact_forms():
    assert exact_letter("answer: (c)", "C") == 0.0 and exact_letter("It is C", " c") == 1.0
    assert exact_filtered("A. heart", "A") == 1.0, "X. at the start"
    assert exact_filtered("It is A.", "A") == 0.0 and exact_filtered("A ", "A") == 0.0
    assert exact("Downhill.", "downhill") == 1.0


KINDS = ("integer", "float", "list")
NUMBER = {kind: Form(question_type="free_form", answer_type=kind, precision=1.0) for kind in KINDS}
CHOICE = Form(question_type="multi_choice", answer_type="text", choices=("cat", "dog"))


@pytest.mark.parametrize(
    "extraction, kind, answer",
    [("-0.9", "integer", "0"), ("1e3", "integer", "1000"), ("inf", "integer", None), ("nan", "integer", None),
     ("1e999", "float", "inf"), ("0." + "3" * 70, "float", "0.3"), ("", "float", None), ("[1,2]", "list", "[1,2]")],
)  # fmt: skip
def test_mathvista_normalises(extraction, kind, answer):
    assert normalise(extraction, NUMBER[kind]) == answer


def test_mathvista_compares():
    assert is_right(" [1, 2]", "[1, 2]", NUMBER["list"], "lmms") and not is_right(" [1, 2]", "[1, 2]", NUMBER["list"])
    assert is_right("(b) x", "dog", CHOICE) and is_right("dg", "dog", CHOICE)
    assert not is_right("dg", "dog", CHOICE, "vlmevalkit") and is_right("B", "dog", CHOICE, "vlmevalkit")
    assert not is_right("[1, 2]", "[1, 2]", NUMBER["list"], "vlmevalkit"), "a list never is"
    assert not is_right("14.9", "14", NUMBER["integer"], "vlmevalkit")


def test_mathvista_extracts():
    assert extract('So.\nThe answer is "14".', NUMBER["integer"]) == "14"
    assert extract("She pays 1,450 in all.", NUMBER["integer"]) == "1450"
    assert extract("Between 2007 and 2008: [2007, 2008].", NUMBER["list"]) == "[2007, 2008]"
    assert extract("(B) dog", CHOICE) == "B" and extract("cat", CHOICE) == "cat" and extract("No idea", CHOICE) == ""
    number_among_choices = Form(question_type="multi_choice", answer_type="integer", choices=("10", "20"))
    assert extract("It must be the second, B", number_among_choices) == "B"


DET = "<|ref|>x<|/ref|><|det|>{}<|/det|>"


@pytest.mark.parametrize(
    "body, box",
    [
        ("[[0, 0, 999, 999]]", (0, 0, 640, 480)), ("[[0, 0, 999, 999], [1, 2]]", (0, 0, 640, 480)),
        ("[0, 0, 999, 999]", None), ("[[0, 0, 999]]", None), ("[[0, 0, 999, x]]", None), ("", None),
        (f"[[{'9' * 5000}]]", None),
    ],
)  # fmt: skip
def test_a_box_read_strictly(body, box):
    assert first_box(DET.format(body), 640, 480) == box
    assert first_box(DET.format(body).removesuffix("<|/det|>"), 640, 480) is None, "boxes that are not closed"


@pytest.mark.parametrize(
    "said, box",
    [
        ("3 dogs at [0.5, 0, 1, 1]", (320, 0, 640, 480)), ("(500, 0, 1000, 1000)", (320, 0, 640, 480)),
        ("[500 0 1000 1000]", (320, 0, 640, 480)), ("1000, 1000, 500, 0, 7", (320, 0, 640, 480)),
        ("[-2000, 0, 320, 480]", (0, 0, 320, 480)), ("[5e2, 0, 1e3, 1000]", (320, 0, 640, 480)), ("[1, 2, 3]", None),
    ],
)  # fmt: skip
def test_a_box_read_as_vlmevalkit(said, box):
    assert first_box(said, 640, 480, "vlmevalkit") == box


def test_a_box_read_as_lmms():
    assert bracketed("[0.30000000000000004, 0.5,0.75 ]") == (0, 0, 0, 0)
    assert bracketed("[ 0.30000000000000004, -0.5,0.75, 1 ]") == (0.30000000000000004, -0.5, 0.75, 1.0)
    assert bracketed("[0 , 0, 1, 1]") == (0, 0, 0, 0), "no space before a comma"
    assert first_box("[0, 0, 0.5, 1]", 640, 480, "lmms") == (0, 0, 320, 480)


def test_overlap():
    assert corners(10, 20, 30, 40) == (10, 20, 40, 60)
    assert iou((0, 0, 0, 0), (0, 0, 0, 0)) == 0.0 and iou((2, 2, 0, 0), (0, 0, 2, 2)) == 0.0
    assert hit((0, 0, 1, 1), (0, 0, 2, 1)) and not hit((0, 0, 0.9, 1), (0, 0, 2, 1)) and not hit(None, (0, 0, 2, 1))
    assert math.isfinite(iou((0, 0, float("inf"), 1), (0, 0, 1, 1)))


def test_a_question_is_right_in_every_rotation():
    assert question_of(3_000_241) == 241
    assert circular_hit(["A", "B"], ["A", "B"]) == 1 and circular_hit(["A", ""], ["A", "B"]) == 0
    assert circular_hit(["A"], ["A", "B"]) == 0


def test_sums():
    rows = [("OCR", "a", 1), ("OCR", "a", 0), ("OCR", "b", 1), ("OCR", "b", 1), ("count", "a", 1), ("count", "a", 1)]
    assert mme_sum(rows) == 75 + 50 + 200
    scores = mmt_scores([("ocr", "x", 1), ("ocr", "x", 0), ("ocr", "y", 0)])
    assert scores == {"Overall": pytest.approx(1 / 3), "OCR": 0.25}


def test_standard_errors():
    assert mean_stderr([]) == mean_stderr([1]) == clustered_stderr([], []) == 0.0
    values = [1, 0, 1, 1, 0, 1]
    assert clustered_stderr(values, range(6)) == pytest.approx(mean_stderr(values)), "each value its own cluster"
    assert clustered_stderr([1, 1, 0, 0], ["a", "a", "b", "b"]) > mean_stderr([1, 1, 0, 0])
