"""Texts of packages: sayings, words and manuals as rows."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from vl2.core.sample import Sample
from vl2.corpus.source import Source
from vl2.corpus.sources.packages.documents.help_blocks import Block
from vl2.corpus.sources.packages.documents.help_pieces import MOST, cut, weigh
from vl2.corpus.sources.packages.documents.help_texts import language_of
from vl2.corpus.sources.packages.sayings.fortunes import signed, unwrapped
from vl2.corpus.sources.packages.sayings.quotations import ask_about
from vl2.corpus.sources.packages.sayings.wordnet import sense_at
from vl2.corpus.sources.table import open_source
from vl2.corpus.step import text_of
from vl2.data.faults import Fault, RowError

FORTUNES = {
    "wise": "A short saying, which ends here.\n\t\t-- Ada Example, \"Notes\"\n%\n"
            "_\bA line that is struck over, and on.\n%\n"
            "Porn is what this row is about, so it goes.\n%\n+-----+------+\n|..|..|\n+-----+------+\n",
    "tang300": "\x1b[32m《静夜》\x1b[m\n\x1b[33m作者：某人\x1b[m\n"
               "一二三四五，上山打老虎。\n老虎不在家，打到小松鼠。\n%\n"
               "失去□字的诗句，没有人会读。\n",
    "zippy": "Nonsense, which is left out, always.\n",
}  # fmt: skip
PAGE = """<html><head><title>T</title></head><body><div id="banner">Get the book</div>
<ul class="docnav"><li>Prev</li></ul><h2 class="title">1. Keys</h2>
<p>Press <span class="switchinline"><span class="MAC">Command</span><span>Ctrl</span></span>+A. {prose}</p>
<h3>1.1. Table</h3><table><tr><th>Key</th><th>Effect</th></tr><tr><td><p>F2</p></td><td><p>Edits.</p></td></tr></table>
<pre>if x:
    y()</pre><h3>1.2. Nothing follows</h3></body></html>"""


def rows(name: str, path: Path) -> list[Sample | Fault]:
    source = Source(name="made", format=name, path=str(path))
    records = open_source(source)
    return [records[number] for number in range(len(records))]


def said_of(sample: Sample) -> str:
    return text_of(sample, ("assistant",))


@pytest.fixture
def fortunes(tmp_path):
    for name, text in FORTUNES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / f"{name}.dat").write_bytes(b"\0\2")
        (tmp_path / f"{name}.u8").symlink_to(name)
    (tmp_path / "off").mkdir()
    return tmp_path


def test_sayings_lose_their_colours_and_answer_in_their_language(fortunes):
    english, chinese = rows("fortunes", fortunes), rows("fortunes_zh", fortunes)
    kept = [row for row in (*english, *chinese) if isinstance(row, Sample)]
    assert [row.provenance["document"] for row in kept] == [
        'A short saying, which ends here.\n                -- Ada Example, "Notes"',
        "A line that is struck over, and on.",
        "《静夜》\n作者：某人\n一二三四五，上山打老虎。\n老虎不在家，打到小松鼠。",
    ]
    assert [row.provenance["language"] for row in kept] == ["en", "en", "zh"]
    assert [row.provenance["licence"] for row in kept] == ["BSD-3-Clause", "BSD-3-Clause", "GPL-3.0-or-later"]
    assert [row.reason for row in (*english, *chinese) if isinstance(row, Fault)] == [
        "a text that is coarse, or lacks a character", "a text that is drawn, or too long",
        "a text that is coarse, or lacks a character",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ('Be.\n\t\t-- Ann O\'Nym, "A Book"', ("Be.", "Ann O'Nym", "A Book")),
        ("Be brief.  -- Somebody", ("Be brief.", "Somebody", "")),
        ("相知犹按剑。\n    --《菜根谭》", ("相知犹按剑。", "", "菜根谭")),
        ("行到水穷处。\n    -- 王维《终南别业 / 初至山中》", ("行到水穷处。", "王维", "终南别业")),
        ("武官会杀。\n    --《谚语》", ("武官会杀。", "", "")),
        ("题目:《塞上》\n作者:柳开（９４６）\n鸣骹直上。", ("鸣骹直上。", "柳开", "塞上")),
        ("Nobody -- not even I -- said this.", ("Nobody -- not even I -- said this.", "", "")),
    ],
)
def test_who_said_it_and_where(told, expected):
    assert signed(told) == expected


def test_lines_broken_at_a_width_are_joined_and_verses_are_not():
    prose = "This line of prose was broken at the width of a terminal\nand goes on here."
    assert unwrapped(prose) == prose.replace("\n", " ")
    assert unwrapped("A verse is short\nand stays as it is.") == "A verse is short\nand stays as it is."


@pytest.mark.parametrize("seed", range(12))
def test_a_question_about_a_saying_holds_only_what_the_saying_tells(seed):
    question, answer = ask_about("甲乙丙丁戊，己庚辛壬癸。", "某人", "书", random.Random(seed), chinese=True)
    assert answer in ("甲乙丙丁戊，己庚辛壬癸。", "己庚辛壬癸。", "某人《书》")
    assert "{" not in question
    assert ("甲乙丙丁戊" in question) == (answer != "甲乙丙丁戊，己庚辛壬癸。")


def test_riddles_ask_themselves():
    assert ask_about("Q:\tWhat is it?\nA:\tIt is\n\tthis.", "", "", random.Random(0), chinese=False) == (
        "What is it?", "It is this.",
    )  # fmt: skip


@pytest.fixture
def wordnet(tmp_path):
    """Write two nouns, the kind of the first, and an adjective with its opposite, where index files say."""
    licence = "  1 This line is of the licence.  \n"
    synsets = {
        "noun": [
            ("02 n 01 thing 0 000", "a separate being"),
            ("02 n 02 cup 0 drinking_cup 0 001 @ {0:08d} n 0000", 'a small open vessel; "she put the cup back"'),
        ],
        "adj": [
            ("00 a 01 open(a) 0 001 ! {1:08d} a 0101", 'not shut; "an open door"; "left it open all day"'),
            ("00 a 01 shut 0 001 ! {0:08d} a 0101", "not open"),
        ],
        "verb": [], "adv": [],
    }  # fmt: skip
    for name, told in synsets.items():
        places, at = [], len(licence)
        for cells, gloss in told:
            places.append(at)
            at += len(f"{0:08d} {cells.format(0, 0)} | {gloss}  \n")
        lines = [f"{places[n]:08d} {told[n][0].format(*places)} | {told[n][1]}  \n" for n in range(len(told))]
        (tmp_path / f"data.{name}").write_text(licence + "".join(lines), encoding="ascii")
        (tmp_path / f"index.{name}").write_text(licence, encoding="ascii")
        if name == "noun":
            rest = f"cup n 1 1 @ 1 1 {places[1]:08d}  \nrare_cup n 1 1 @ 1 0 {places[1]:08d}  \n"
            (tmp_path / "index.noun").write_text(licence + rest, encoding="ascii")
        if name == "adj":
            (tmp_path / "index.adj").write_text(f"{licence}open a 1 1 ! 1 1 {places[0]:08d}  \n", encoding="ascii")
    return tmp_path


def test_words_that_texts_hold_are_asked_about_in_their_most_frequent_sense(wordnet):
    found = rows("wordnet", wordnet)
    assert [row.provenance["metadata"] for row in found] == [
        {"word": "cup", "part": "noun"}, {"word": "open", "part": "adjective"},
    ]  # fmt: skip
    allowed = {
        "cup": {"A small open vessel. For example: She put the cup back.", "Cup, drinking cup.", "Drinking cup.",
                "She put the cup back.", "Cup is a kind of thing: a small open vessel."},
        "open": {"Not shut. For example: An open door.", "Open.", "Shut.", "An open door."},
    }  # fmt: skip
    for row in found:
        assert said_of(row) in allowed[row.provenance["metadata"]["word"]]
        assert row.provenance["licence"] == "WordNet-3.0"


def test_a_sense_tells_its_words_meaning_sentences_and_pointers(wordnet):
    offset = len("  1 This line is of the licence.  \n")
    sense = sense_at(str(wordnet), "a", offset)
    assert (sense.words, sense.gloss) == (("open",), "not shut")
    assert sense.examples == ("an open door", "left it open all day")
    ((symbol, place, part, start, end),) = sense.pointers
    assert (symbol, part, start, end) == ("!", "a", 1, 1)
    assert sense_at(str(wordnet), "a", place).words == ("shut",)
    with pytest.raises(RowError, match="no sense"):
        sense_at(str(wordnet), "a", offset + 1)


@pytest.fixture
def manual(tmp_path):
    prose = "Every sentence of this paragraph says a little about keys. " * 6
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "keys.html").write_text(PAGE.format(prose=prose), encoding="utf-8")
    (tmp_path / "en" / "keys.de.html").write_text(PAGE.format(prose=prose), encoding="utf-8")
    return tmp_path


def test_pages_of_a_manual_lose_what_leads_elsewhere(manual):
    (row,) = rows("help_texts", manual)
    assert row.provenance["title"] == "1. Keys"
    assert text_of(row, ("user",)) == "# 1. Keys"
    said = said_of(row)
    assert said.startswith("Press Ctrl+A. Every sentence")
    assert said.endswith("## 1.1. Table\n\nKey | Effect\nF2 | Edits.\n\n```\nif x:\n    y()\n```")


def test_long_pages_are_cut_where_headings_begin_and_never_after_what_leads():
    prose = Block(text="A sentence that is neither long nor short. " * 8)
    lead = Block(text="The steps are:", leads=True)
    page = [Block(text="Title", level=2), prose, lead, prose, Block(text="Part", level=3), prose, lead, prose, lead]
    listing = Block(text="```\n" + "a line of code\n" * 200 + "```")
    pieces = list(cut([*page, listing]))
    assert all(weigh(piece.text) <= MOST for piece in pieces)
    assert not any(piece.text.endswith(":") for piece in pieces)
    assert [piece.headings for piece in pieces][:2] == ["# Title", "# Title\n## Part"]
    assert [piece.goes_on for piece in pieces][:3] == [False, False, True]
    assert all(piece.text.count("```") % 2 == 0 for piece in pieces)
    joined = "".join(piece.text for piece in pieces)
    assert joined.count("a line of code") == 200
    assert joined.count(prose.text) == 4


@pytest.mark.parametrize(
    ("path", "language"),
    [("help/zh-CN/text/a.html", "zh"), ("ref/ch01.zh-cn.html", "zh"), ("en-US/ch.html", "en"), ("zen/a.html", "en"),
     ("zh-CN/ch01.en.html", "en")],
)  # fmt: skip
def test_the_language_of_a_page_is_told_by_its_path(path, language):
    assert language_of(path) == language


@pytest.mark.skipif(not Path("/usr/share/wordnet/data.noun").is_file(), reason="needs wordnet-base")
def test_wordnet_as_installed_is_read():
    records = open_source(Source(name="words", format="wordnet", path="/usr/share/wordnet"))
    assert len(records) > 20_000
    kept = [row for row in map(records.__getitem__, range(0, len(records), 200)) if isinstance(row, Sample)]
    assert len(kept) > 0.9 * len(records) / 200
    assert all(said_of(row)[-1] in ".?!" for row in kept)
