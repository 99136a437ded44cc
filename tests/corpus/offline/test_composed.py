"""The teacher that is no model: it says what the material holds, the same for the same request, and who it is."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from tests.corpus.pipelines.fixtures import hinted
from vl2.core.sample import ImagePart, Message, Sample, TextPart
from vl2.corpus.ingest import ingest
from vl2.corpus.pipelines.agreement import split_answer
from vl2.corpus.pipelines.clean_ocr import CleanOCR
from vl2.corpus.pipelines.make_questions import MakeQuestions
from vl2.corpus.pipelines.recaption import Recaption
from vl2.corpus.pipelines.regenerate import Regenerate
from vl2.corpus.pipelines.writing import Writing
from vl2.corpus.source import Source
from vl2.corpus.step import Step, is_kept, text_of
from vl2.corpus.teacher.ask import Ask, Reply, Sampling, TeacherError
from vl2.corpus.teacher.composed import COMPOSERS, Composed
from vl2.corpus.teacher.composers.documents import compose_document_questions
from vl2.corpus.teacher.composers.entries import mentioned, read_data
from vl2.corpus.teacher.composers.grades import compose_grade
from vl2.corpus.teacher.composers.known import noun_phrase
from vl2.corpus.teacher.composers.readings import UNREADABLE, compose_reading, tidied
from vl2.corpus.teacher.composers.solutions import SILENT, compose_answer, compose_steps
from vl2.corpus.teacher.prompts import FOLDER, load_prompt, read_material
from vl2.corpus.teacher.teaching import rewriting_by, scoring_by

SAMPLING = Sampling(model="composed")
KNOWN = {"title": "bat", "title_zh": "蝙蝠", "kind": "clip art picture", "kind_zh": "剪贴画",
         "category": "animals, mammals", "category_zh": "动物", "keywords": "mammal, night, animal"}  # fmt: skip
CHART = "Rain by month\nJan: 1,020.5\nFeb: 980.0\nMar: 300.25"
GROUPS = "Rain by town\nAvon, 2001: 4\nAvon, 2002: 9\nBath, 2001: 7\nBath, 2002: 1"
TABLE = "Goals by team\nTeam | Goals | League\nAvon | 3 | A\nBath | 5 | B"
CHINESE = "各月雨量\n1月：12\n2月：30"


@pytest.fixture
def taught(tmp_path):
    service = tmp_path / "service.yaml"
    service.write_text("kind: composed\n")
    return {"service": str(service), "sampling": SAMPLING}


def row(question: str, answer: str, **told) -> Sample:
    turns = Message("user", (ImagePart(), TextPart(f"\n{question}"))), Message("assistant", (TextPart(answer),))
    sample = Sample("a", turns, images=hinted()[0].images, provenance=told)
    return ingest(sample, Source(name="a", path="", licence="MIT"))


def only(step: Step, sample: Sample) -> Sample:
    (made,) = step.run([sample])
    assert is_kept(made), made.decision
    return made


def material(**told: str):
    return read_material("\n".join(f'<material name="{name}">\n{value}\n</material>' for name, value in told.items()))


def said_to(ask: Ask, sampling: Sampling = SAMPLING) -> Reply:
    found: list[Reply] = []
    Composed().replies([ask], sampling, lambda _, reply: found.append(reply))
    return found[0]


def test_every_prompt_has_a_composer():
    assert set(COMPOSERS) == {path.stem for path in FOLDER.glob("*.yaml")}


def test_the_same_request_has_the_same_reply_and_others_other_words():
    values = {"metadata": "\n".join(f"{name}: {value}" for name, value in KNOWN.items()), "caption": "", "ocr": ""}
    asks = [load_prompt("recaption").fill(values, random.Random(seed), hinted()[0].images) for seed in range(12)]
    replies = [said_to(ask) for ask in asks]
    assert replies == [said_to(ask) for ask in asks]
    assert len({reply.text for reply in replies}) > 3 and all("bat" in reply.text for reply in replies)


def test_it_goes_by_its_own_name_only():
    ask = Ask(prompt="writing", version=1, system="", text="")
    with pytest.raises(TeacherError, match="not those of a model"):
        said_to(ask, Sampling(model="pocket"))
    with pytest.raises(TeacherError, match="no composer"):
        said_to(replace(ask, prompt="other"))


def test_captions_are_made_of_what_is_known_and_rows_name_the_teacher(taught):
    step = rewriting_by("recaption", 1, Recaption(**taught, metadata_share=1.0, chinese_share=0.0))
    made = only(step, row("What?", "Clip art: bat.", caption="Clip art: bat. A small bat at night.", metadata=KNOWN))
    said = text_of(made, ("assistant",))
    assert "a bat" in said and "“animals”" in said and "“night”" in said and "“mammal”" not in said
    assert made.provenance["teacher"] == "composed" and made.provenance["prompt_id"] == "recaption@1"
    chinese = only(step, row("什么？", "蝙蝠。", caption="这是剪贴画：蝙蝠。", metadata=KNOWN))
    said = text_of(chinese, ("assistant",))
    assert "蝙蝠" in said and "动物" in said and not any("a" <= letter <= "z" for letter in said)


def test_without_material_there_is_no_caption(taught):
    step = rewriting_by("recaption", 1, Recaption(**taught, chinese_share=1.0))
    (made,) = step.run([row("What?", "A bat.", caption="A bat.")])  # nothing tells its name in Chinese
    assert made.decision["reason"] == "no reply of the teacher, the material is not enough"


def test_questions_about_a_picture_in_the_language_of_its_caption(taught):
    step = rewriting_by("make_questions", 2, MakeQuestions(**taught))
    made = only(step, row("What?", "A bat.", caption="A bat.", metadata=KNOWN))
    turns = [text_of(Sample("", (turn,))) for turn in made.messages]
    assert turns[1] == "A bat." and len(turns) >= 4
    chinese = only(step, row("什么？", "蝙蝠。", caption="蝙蝠。", metadata=KNOWN))
    assert "蝙蝠" in text_of(Sample("", (chinese.messages[1],)))


ANSWERS = [
    (CHART, "What is the rain for Feb?", "980.0"), (CHART, "Which month has the highest rain?", "Jan"),
    (CHART, "Which month has the second highest rain?", "Feb"), (CHART, "Which month has the smallest value?", "Mar"),
    (CHART, "How much higher is Jan than Mar?", "720.25"), (CHART, "What do Jan and Feb add up to?", "2,000.5"),
    (CHART, "Is Feb above Jan?", "No"), (CHART, "How many bars are above 500?", "2"), (CHART, "Count the bars.", "3"),
    (CHART, "What is the sum of all printed values?", "2,300.75"), (CHART, "What is the title?", "Rain by month"),
    (CHART, "Which is higher, Mar or Feb?", "Feb"), (GROUPS, "What is the value of Avon for 2002?", "9"),
    (GROUPS, "For 2001, which series is the highest?", "Bath"), (GROUPS, "When is Bath at its lowest?", "2002"),
    (GROUPS, "At 2002, which is higher, Avon or Bath?", "Avon"), (GROUPS, "How many series are shown?", "2"),
    (GROUPS, "From 2001 to 2002, does Avon rise or fall on the whole?", "risen"),
    (TABLE, "Which team has the highest goals?", "Bath"), (TABLE, "What is the league of Avon?", "A"),
    (CHINESE, "哪个月份的雨量最高？", "2月"),
    (CHINESE, "1月与2月相差多少？", "18"), (CHINESE, "1月的数值比2月高吗？", "否"), (CHINESE, "图中有多少个柱？", "2"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "question", "answer"), ANSWERS)
@pytest.mark.parametrize("compose", [compose_answer, compose_steps])
def test_answers_follow_from_the_data(document, question, answer, compose):
    split = split_answer(compose(material(document=document, question=question), random.Random(1)))
    assert split is not None and split[1] == answer and len(split[0]) > 5


@pytest.mark.parametrize("question", ["What colour stands for Jan?", "Which is higher, Jan or Apr?", "Who drew it?"])
def test_what_the_data_do_not_tell_is_not_answered(question):
    assert compose_answer(material(document=CHART, question=question), random.Random(1)) == SILENT
    assert compose_answer(material(question=question), random.Random(1)) == SILENT


def test_a_wrong_known_answer_is_not_defended(taught):
    step = rewriting_by("regenerate", 2, Regenerate(**taught, prompt="table", long_share=1.0))
    made = only(step, row("Which month has the highest rain?", "Jan", document=CHART))
    assert made.messages[1].parts[0].text.endswith("\nAnswer: Jan") and made.provenance["prompt_id"] == "table@1"
    (wrong,) = step.run([row("Which month has the highest rain?", "Feb", document=CHART)])
    assert not is_kept(wrong)


def test_older_solutions_become_steps():
    told = material(question="How many are left?", solution="There are 12. Three are eaten. That leaves 9.\nAnswer: 9")
    assert compose_steps(told, random.Random(1)) == "There are 12.\nThree are eaten.\nThat leaves 9.\nAnswer: 9"
    assert compose_steps(material(question="How many?", solution="9"), random.Random(1)) == SILENT


def test_names_within_names_and_beside_chinese():
    assert mentioned("Is New York above York?", ["York", "New York"]) == ["New York", "York"]
    assert mentioned("图中Jan的数值比2001年高吗", ["Jan", "2001", "200"]) == ["Jan", "2001"]
    assert [entry.label for entry in read_data(GROUPS).entries][:2] == ["Avon, 2001", "Avon, 2002"]
    assert read_data("Rain: in mm\nJan: 1.5").entries[0].number is None


DOCUMENT = """## 2.1. Layers

A layer is a transparent sheet that lies above others in a picture. It can be moved. Figure 1 shows this.

GIMP allows you to add as many layers as the memory of your machine can hold. The limit was 256 in old versions.
"""


def test_questions_of_a_course_are_answered_in_the_words_of_the_document(taught):
    step = rewriting_by("make_questions", 2, MakeQuestions(**taught, prompt="textbook", show_document=True))
    made = only(step, row("Read.", "Text.", document=DOCUMENT))
    assert made.messages[0].parts[0] == ImagePart() and DOCUMENT.strip() in made.messages[0].parts[2].text
    answers = [turn.parts[0].text for turn in made.messages[1::2]]
    assert len(answers) >= 2 and all(answer in DOCUMENT for answer in answers)
    told = json.loads(compose_document_questions(material(document=DOCUMENT), random.Random(0)))
    assert any(pair["question"].lower().endswith("what is a layer?") for pair in told)
    chinese = "## 图层\n\n图层是一种透明的薄片，位于其他图层之上。路径用于描述曲线和选区的形状。"
    asked = [
        pair["question"]
        for pair in json.loads(compose_document_questions(material(document=chinese), random.Random(0)))
    ]
    assert "路径有什么用途？" in asked
    assert compose_document_questions(material(document="Too short."), random.Random(0)) == ""


def test_readings_are_corrected_by_the_known_text_and_only_then(taught):
    assert compose_reading(material(text="Tota1 l2.50", document="Total 12.50"), random.Random(0)) == "Total 12.50"
    assert compose_reading(material(text="Tota1 l2.50", document="Another text"), random.Random(0)) == UNREADABLE
    assert tidied("图 层  是\nexam-\nple  text ") == "图层是\nexample text"
    step = rewriting_by("clean_ocr", 2, CleanOCR(**taught, reading="ocr", most_changed=0.3))
    made = only(step, row("Read.", "Total 12.50", ocr=["Tota1", "l2.50"]))
    assert "Tota1\nl2.50" in made.messages[0].parts[-1].text and made.messages[1].parts[0].text == "Total 12.50"
    for told, reason in ((["Total 12.50"], "without mistakes"), ([], "nothing that an engine read")):
        (gone,) = step.run([row("Read.", "Total 12.50", ocr=told)])
        assert reason in gone.decision["reason"]


def test_grades_fall_with_what_is_wrong(taught):
    good = "A small bat hangs from a branch at night, and sleeps."
    grades = [
        int(compose_grade(material(text=text), random.Random(0))) for text in (good, f"{good} It has the", "x " * 90)
    ]
    assert grades[0] >= 8 > grades[1] > grades[2]
    graded = only(scoring_by("writing", 1, Writing(**taught)), row("What?", good))
    assert graded.quality["writing.score"] == grades[0]


@pytest.mark.parametrize(
    ("title", "phrase"),
    [("bat", "a bat"), ("apple", "an apple"), ("scissors", "scissors"), ("milk", "milk"), ("A frog", "a frog"),
     ("Trip to the Beach", "“Trip to the Beach”"), ("bus", "a bus")],
)  # fmt: skip
def test_titles_within_sentences(title, phrase):
    assert noun_phrase(title) == phrase
