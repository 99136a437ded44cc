"""What is held out never trains: faces, words and photographs."""

import re

from vl2.corpus.pocket import draw
from vl2.corpus.pocket.canvas import HELDOUT_PHOTOS, TRAIN_PHOTOS
from vl2.corpus.pocket.lettering import HELDOUT_FACES, TRAIN_FACES, faces
from vl2.corpus.pocket.words import is_heldout, words


def test_held_out_faces_are_whole_families() -> None:
    assert not set(TRAIN_FACES) & set(HELDOUT_FACES)
    assert not set(faces(False)) & set(faces(True))
    assert len(faces(True)) >= 5
    assert 25 <= len(faces(False)) <= 45


def test_held_out_words_are_a_tenth() -> None:
    train, heldout = set(words("train")), set(words("heldout"))
    assert not train & heldout
    assert 0.07 < len(heldout) / len(train | heldout) < 0.13
    assert len(train) > 5000


def test_photographs_are_disjoint() -> None:
    assert not set(TRAIN_PHOTOS) & set(HELDOUT_PHOTOS)


def test_dictionary_words_of_a_page_belong_to_its_split() -> None:
    everything = set(words("train")) | set(words("heldout"))
    for split in ("train", "heldout"):
        for index in range(80):
            page = draw("read_lines", split, 31, index).messages[1].parts[0].text
            for word in re.split(r"[^A-Za-z]+", page):
                if len(word) > 4 and word.lower() in everything:
                    assert is_heldout(word) == (split == "heldout"), word
