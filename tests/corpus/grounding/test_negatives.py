"""What is asked for and denied is never labelled in the image, nor under another name, nor by something it covers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vl2.core.errors import ConfigError, VL2Error
from vl2.core.sample import BoxesPart, Sample, TextPart
from vl2.corpus.grounding.kinds import TABLE, load_kinds, words_of
from vl2.corpus.grounding.locate import Locate
from vl2.corpus.grounding.negatives import Names, absent_names, crossed_names
from vl2.corpus.grounding.wordnet import load_wordnet
from vl2.corpus.ingest import ingest
from vl2.corpus.pocket.draw import draw
from vl2.corpus.rewriting import rewriting
from vl2.corpus.source import Source
from vl2.corpus.step import is_kept

NAMES = Names(load_kinds())
SOURCE = Source(name="scenes", path="", licence="MIT")
SAME = [
    ("dog", "puppy"), ("a dog", "Dogs"), ("animal", "cat"), ("cat", "animals"), ("couch", "sofa"), ("man", "person"),
    ("children", "people"), ("red car", "car"), ("car", "vehicle"), ("taxi", "car"), ("cup", "mug"), ("tv", "screen"),
    ("teddy bear", "bear"), ("grey circle", "gray circle"), ("circle", "red circle"), ("a man in a red shirt", "shirt"),
    ("gold ring", "yellow ring"), ("wooden spoon", "spoon"), ("zorble", "blue zorble"), ("old zorble", "new zorble"),
    ("red dog", "red puppy"), ("", "cat"), ("moon", "crescent"), ("street sign", "stop sign"), ("knives", "knife"),
]  # fmt: skip
DIFFERENT = [("dog", "cat"), ("red circle", "blue circle"), ("red circle", "red square"), ("car", "bicycle"),
             ("cup", "chair"), ("person", "dog"), ("zorble", "frump"), ("apple", "banana")]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_names_that_may_be_of_one_thing(one, other):
    assert NAMES.may_be_same(one, other) and NAMES.may_be_same(other, one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_names_of_different_things(one, other):
    assert not NAMES.may_be_same(one, other) and not NAMES.may_be_same(other, one)


def test_the_table_is_whole():
    kinds = load_kinds()
    assert len(kinds.coco) == 80
    assert all(name in kinds.by_name for kind in kinds.by_name.values() for name in kind.broader)
    assert all(kind.chinese and kind.chinese.isprintable() for kind in kinds.by_name.values())
    assert kinds.chinese("the red circles") == "红色的圆形" and kinds.chinese("a dog") == "狗"
    assert kinds.chinese("puppy") is None and kinds.chinese("red zorble") is None


def test_negatives_of_drawn_scenes_are_not_there():
    """An independent check: the label is compared with colour and shape of all that was drawn."""
    change = Locate(crossed=True, classes=("coco",), absent_share=0.7, chinese_share=0.0).change
    rows = [ingest(draw("ground", "train", 3, index), SOURCE) for index in range(120)]
    made = [row for row in rewriting("locate", 1, change).run(rows) if is_kept(row)]
    denied = crossed = 0
    for row in made:
        drawn = {words_of(item.label) for item in row.objects if item.kind == "shape"}
        for question, answer in pairwise(row.messages):
            asked = next((part.label for part in question.parts if isinstance(part, BoxesPart)), None)
            if question.role == "user" and isinstance(answer.parts[0], TextPart):
                assert asked is not None and words_of(asked) not in drawn
                assert answer.parts[0].text == f"There is no {asked} in the image."
                denied += 1
                crossed += words_of(asked)[1:] in {words[1:] for words in drawn}
    assert len(made) >= 115 and denied > 150 and crossed > 60


def told_names() -> dict[str, set[str]]:
    """Return all names of our table with the kinds that they may stand for, read line by line from its file."""
    names: dict[str, set[str]] = {}
    for line in TABLE.read_text(encoding="utf-8").split("colours:")[0].splitlines():
        if line.startswith("  - "):
            name, _, _, also = (cell.strip() for cell in line.removeprefix("  - ").split("|"))
            for one in (name.rstrip("*"), *filter(None, map(str.strip, also.split(",")))):
                names.setdefault(one, set()).add(name.rstrip("*"))
    return names


def told_ancestors() -> dict[str, set[str]]:
    """Return of each kind all broader ones, itself with them, by a closure of its own."""
    rows = [[cell.strip() for cell in line.removeprefix("  - ").split("|")]
            for line in TABLE.read_text(encoding="utf-8").split("colours:")[0].splitlines()
            if line.startswith("  - ")]  # fmt: skip
    above = {row[0].rstrip("*"): {row[0].rstrip("*"), *filter(None, map(str.strip, row[2].split(",")))} for row in rows}
    for _ in above:
        above = {kind: set().union(*(above[one] for one in ones)) for kind, ones in above.items()}
    return above


LABELS, ABOVE = told_names(), told_ancestors()


@given(st.lists(st.sampled_from(sorted(LABELS)), min_size=1, max_size=6))
def test_no_class_is_denied_that_a_label_stands_for_covers_or_is_covered_by(labels):
    """Of any labels of our table; the oracle reads the file and closes it by itself."""
    standing = set().union(*(LABELS[label] for label in labels))
    for denied in absent_names(labels, load_kinds().coco, NAMES):
        assert denied not in set().union(*(ABOVE[kind] for kind in standing))  # neither labelled nor above a label
        assert not standing & ABOVE[denied]  # nor under one


def test_nothing_is_denied_where_not_all_is_labelled():
    rows = [ingest(draw("ground", "train", 4, index), SOURCE) for index in range(20)]
    for row in rewriting("locate", 1, Locate(absent_share=1.0).change).run(rows):
        assert all(isinstance(turn.parts[0], BoxesPart) for turn in row.messages if turn.role == "assistant")


def test_crossed_names_and_order():
    present = ["red circle", "blue square", "a hat"]
    assert absent_names(present, crossed_names(present, NAMES), NAMES) == ["red square", "blue circle"]


def test_chinese_questions_have_chinese_answers():
    row = ingest(draw("ground", "train", 0, 1), SOURCE)
    told = {item.label: f"{item.label[:1]}物" for item in row.objects}
    row = Sample(**{**row.__dict__, "provenance": {**row.provenance, "label_zh": told}})
    made = Locate(chinese_share=1.0).change(row)
    labels = {part.label for turn in made.messages for part in turn.parts if isinstance(part, BoxesPart)}
    assert labels and labels <= set(told.values())


# offsets are bytes in the real files; here they only have to agree
INDEX = """  1 This is the licence
dog n 1 2 @ ~ 1 1 00000030
domestic_dog n 1 2 @ ~ 1 0 00000030
puppy n 1 1 @ 1 0 00000040
canine n 2 1 @ 2 0 00000020 00000090
cat n 1 1 @ 1 1 00000050
"""
DATA = """  1 This is the licence
00000010 03 n 01 animal 0 000 | a living thing
00000020 05 n 02 canine 0 canid 0 001 @ 00000010 n 0000 | of the dog family
00000030 05 n 02 dog 0 domestic_dog 0 002 @ 00000020 n 0000 ~ 00000040 n 0000 | a pet; "it barks | loud"
00000040 05 n 01 puppy 0 001 @ 00000030 n 0000 | a young dog
00000050 05 n 0a cat 0 a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 001 @ 00000010 n 0000 | a pet
00000090 08 n 01 canine 0 000 | a tooth
"""


def test_wordnet_where_it_is_installed(tmp_path):
    (tmp_path / "index.noun").write_text(INDEX)
    (tmp_path / "data.noun").write_text(DATA)
    names = Names(load_kinds(), load_wordnet(str(tmp_path)))
    assert names.may_be_same("canine", "domestic dog") and names.may_be_same("puppy", "small canine")
    assert not names.may_be_same("cat", "domestic dog")
    assert Locate(wordnet=str(tmp_path)).names.wordnet is not None
    with pytest.raises(VL2Error, match="no WordNet here"):
        load_wordnet(str(tmp_path / "gone"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "index.noun").write_text("dog n\n")
    (tmp_path / "broken" / "data.noun").write_text("")
    with pytest.raises(VL2Error, match="no WordNet here"):
        load_wordnet(str(tmp_path / "broken"))


def test_classes_of_a_file(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("lamp\n\n street sign \n")
    assert Locate(classes=(str(path), "cat")).candidates == ("lamp", "street sign", "cat")
    with pytest.raises(ConfigError, match="no file of classes"):
        _ = Locate(classes=("gone.txt",)).candidates
