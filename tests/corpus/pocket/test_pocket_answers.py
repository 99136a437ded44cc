"""Answers are true: they are counted and measured again from the recorded objects."""

import random
import re
from collections.abc import Iterator

import pytest

from vl2.core.boxes import Box
from vl2.core.sample import BoxesPart, Sample, SceneObject, TextPart
from vl2.corpus.pocket import draw
from vl2.corpus.pocket.charts import plot_chart
from vl2.corpus.pocket.conversation import Brief
from vl2.corpus.pocket.figures import COLOURS, SHAPES, plural

PLURALS = {plural(shape): shape for shape in SHAPES}


def turns(sample: Sample) -> Iterator[tuple[str, tuple]]:
    for question, answer in zip(sample.messages[::2], sample.messages[1::2], strict=True):
        yield question.parts[-1].text.lstrip("\n"), answer.parts


def figures(sample: Sample, image: int = 0) -> list[SceneObject]:
    return [item for item in sample.objects if item.kind == "shape" and item.image == image]


def text_of(sample: Sample) -> str:
    return "".join(item.label for item in sample.objects if item.kind == "glyph")


def center(item: SceneObject) -> tuple[float, float]:
    return ((item.box[0] + item.box[2]) / 2, (item.box[1] + item.box[3]) / 2)


def is_true(question: str, answer: str, sample: Sample) -> bool:
    labels = [item.label for item in figures(sample)]
    if found := re.fullmatch(r"What colour is the (\w+)\?", question):
        return [label for label in labels if label.endswith(found[1])] == [f"{answer} {found[1]}"]
    if found := re.fullmatch(r"What shape is (\w+)\?", question):
        return [label for label in labels if label.startswith(found[1])] == [f"{found[1]} {answer}"]
    if found := re.fullmatch(r"Is there an? (\w+ \w+)\?", question):
        return (found[1] in labels) == (answer == "yes")
    if question == "How many figures are there?":
        return len(labels) == int(answer)
    if found := re.fullmatch(r"How many (\w+) are there\?", question):
        return sum(label.endswith(PLURALS[found[1]]) for label in labels) == int(answer)
    by_label = {item.label: center(item) for item in figures(sample)}
    if found := re.fullmatch(r"Where is the (\w+ \w+)\?", question):
        x, y = by_label[found[1]]
        wanted = (("top", "", "bottom")[int(3 * y / sample.images[0].height)],
                  ("left", "", "right")[int(3 * x / sample.images[0].width)])  # fmt: skip
        return " ".join(filter(None, wanted)) == (answer if answer != "middle" else "")
    if found := re.fullmatch(r"Is the (\w+ \w+) (left of|right of|above|below) the (\w+ \w+)\?", question):
        (x1, y1), (x2, y2) = by_label[found[1]], by_label[found[3]]
        holds = {"left of": x1 < x2, "right of": x1 > x2, "above": y1 < y2, "below": y1 > y2}[found[2]]
        return holds == (answer == "yes")
    return question.startswith("Which is larger, the ") and answer.startswith("the ")


def test_shapes_answers_are_true() -> None:
    for index in range(250):
        sample = draw("shapes", "train", 21, index)
        for question, (answer,) in turns(sample):
            assert is_true(question, answer.text, sample), (sample.id, question, answer)


def test_no_count_is_asked_for_much_more_than_another() -> None:
    counts = [
        answer.text
        for index in range(300)
        for question, (answer,) in turns(draw("shapes", "train", 22, index))
        if question.startswith("How many") and "figures" not in question
    ]
    shares = {count: counts.count(count) / len(counts) for count in "012345"}
    assert min(shares.values()) > 0.04 and max(shares.values()) < 0.4, shares


def test_boxes_are_those_of_the_named_figures() -> None:
    for index in range(250):
        sample = draw("ground", "train", 22, index)
        size = {"width": sample.images[0].width, "height": sample.images[0].height}
        boxes = {Box.from_pixels(*item.box, **size): item.label for item in figures(sample)}
        for question, (answer,) in turns(sample):
            label = question.removeprefix("<|ref|>").removesuffix("<|/ref|>")
            if isinstance(answer, TextPart):
                assert label.removeprefix("the ") not in boxes.values()
                continue
            assert isinstance(answer, BoxesPart)
            assert answer.label == label
            assert all(box in boxes for box in answer.boxes)
            assert list(answer.boxes) == sorted(answer.boxes)
            if label.removeprefix("the ") in boxes.values():
                assert [boxes[box] for box in answer.boxes] == [label.removeprefix("the ")]


@pytest.mark.parametrize("task", ["read_word", "read_lines"])
def test_read_answers_are_the_drawn_glyphs(task: str) -> None:
    for index in range(60):
        sample = draw(task, "heldout", 23, index)
        assert re.sub(r"\s", "", sample.answers[0]) == text_of(sample)


def test_receipt_totals_are_sums() -> None:
    for index in range(60):
        for question, (answer,) in turns(draw("receipt", "train", 24, index)):
            if question == "Read the text.":
                prices = [float(line.split()[-1]) for line in answer.text.splitlines() if re.search(r"\.\d\d$", line)]
                assert round(sum(prices[:-1]), 2) == prices[-1]


def test_bars_are_as_long_as_their_values() -> None:
    for number in range(120):
        picture, chart = plot_chart(Brief(random.Random(number), "train", ("chart.largest",)))
        bars = [item.box for item in picture.objects if item.kind == "bar"]
        assert len(bars) == len(chart.values)
        if chart.form in ("bar", "rows"):
            start, stop = (1, 3) if chart.form == "bar" else (0, 2)
            lengths = [box[stop] - box[start] for box in bars]
            unit = lengths[chart.values.index(max(chart.values))] / max(chart.values)
            assert all(abs(length - value * unit) <= 1.6 for length, value in zip(lengths, chart.values, strict=True))


def test_chart_counts_and_colours_are_those_drawn() -> None:
    for index in range(120):
        sample = draw("chart", "train", 25, index)
        labels = [item.label for item in sample.objects if item.kind == "bar"]
        for question, (answer,) in turns(sample):
            if question.startswith("How many"):
                assert int(answer.text) == len(labels)
            if question.startswith("What colour"):
                assert f"{answer.text} bar" in labels


def test_compare_answers_are_true() -> None:
    for index in range(150):
        sample = draw("compare", "train", 26, index)
        counted = [[item.label for item in figures(sample, image)] for image in range(2)]
        for question, (answer,) in turns(sample):
            if found := re.fullmatch(r"Which picture has more (\w+)\?", question):
                first, second = (sum(label.endswith(PLURALS[found[1]]) for label in labels) for labels in counted)
                assert answer.text == ("same" if first == second else "first" if first > second else "second")
            if found := re.fullmatch(r"Which picture has an? (\w+ \w+)\?", question):
                holds = tuple(found[1] in labels for labels in counted)
                assert answer.text == ("neither", "second", "first", "both")[2 * holds[0] + holds[1]]


def test_marks_name_a_drawn_thing() -> None:
    for index in range(80):
        sample = draw("marks", "train", 27, index)
        assert sum(item.kind == "mark" for item in sample.objects) == 1
        question, (answer,) = next(turns(sample))
        if question.startswith("What is written"):
            assert answer.text in text_of(sample)
        else:
            name = re.sub(r"^an? ", "", answer.text)
            assert name in {item.label for item in figures(sample)}
            assert name.split()[0] in COLOURS
