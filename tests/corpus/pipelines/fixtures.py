"""Tiny sources for the recipes, drawn anew: rows as readers give them, at the paths that the recipes name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.corpus.pipelines.untaught import UNTAUGHT
from vl2.core.sample import ImagePart, Message, Sample, SceneObject, TextPart
from vl2.corpus.pocket.draw import draw
from vl2.corpus.step import text_of
from vl2.corpus.tar import pack

NUM_ROWS = 12


def scenes() -> list[Sample]:
    return [draw("ground", "train", 0, index) for index in range(NUM_ROWS)]


def kinds() -> list[Sample]:
    """Return scenes whose objects are called by their shape alone: more of them have one in common."""
    return [replace(row, objects=tuple(replace(o, label=o.label.split()[-1]) for o in row.objects)) for row in scenes()]


def captions() -> list[Sample]:
    """Return scenes told as GRIT does: a caption, and where its phrases are in characters and pixels."""
    return [_captioned(sample) for sample in scenes()]


def outlined() -> list[Sample]:
    """Return scenes with an outline of every object: here a diamond within its box."""
    return [replace(row, provenance={**row.provenance, "outlines": [_diamond(o) for o in row.objects]})
            for row in scenes()]  # fmt: skip


def screens() -> list[Sample]:
    """Return pages of words as screens: every object is an element with a name."""
    rows = [draw("ground", "train", 7, index) for index in range(NUM_ROWS)]
    return [replace(row, objects=tuple(replace(o, kind="element") for o in row.objects)) for row in rows]


def hinted() -> list[Sample]:
    """Return scenes with an old caption, metadata and what was read in them."""
    told = {"caption": "a picture", "ocr": ["OPEN 24", "EXIT"], "metadata": {"camera": "drawn", "place": "Oslo"}}
    return [replace(row, provenance={**row.provenance, **told}) for row in scenes()]


def questions() -> list[Sample]:
    """Return scenes with a visual question each and its short answer."""
    return [_asked(row, f"How many figures are there, row {n}?", str(len(row.objects)))
            for n, row in enumerate(scenes())]  # fmt: skip


def tables() -> list[Sample]:
    """Return tables with a question each, and their text."""
    rows = [draw("table", "heldout", 0, index) for index in range(NUM_ROWS)]
    return [replace(_asked(row, text_of(row, ("user",)), row.answers[0]),
                    provenance={**row.provenance, "document": "| a | b |"}) for row in rows]  # fmt: skip


def problems() -> list[Sample]:
    """Return sums without a picture, with an older solution."""
    asked = [(f"What is {n} plus {n + 1}?", 2 * n + 1) for n in range(NUM_ROWS)]
    return [Sample(str(n), (Message("user", (TextPart(question),)),
                            Message("assistant", (TextPart(f"It is easy.\nAnswer: {gold}"),))))
            for n, (question, gold) in enumerate(asked)]  # fmt: skip


def transcribed() -> list[Sample]:
    """Return pages of words with a reading that has one letter wrong."""
    rows = [draw("read_lines", "train", 0, index) for index in range(NUM_ROWS)]
    return [_asked(row, "Read the text.", _misread(answer_of(row))) for row in rows]


def documents() -> list[Sample]:
    """Return texts to examine students on."""
    text = "Chapter {}. Water boils at 100 degrees at sea level. Ice melts at 0 degrees."
    return [Sample(str(n), (Message("user", (TextPart("Read."),)), Message("assistant", (TextPart("Read."),))),
                   provenance={"document": text.format(n)}) for n in range(NUM_ROWS)]  # fmt: skip


def answer_of(sample: Sample) -> str:
    """Return the lines that are drawn, as the longest answer tells them."""
    return max((text_of(replace(sample, messages=(turn,))) for turn in sample.messages if turn.role == "assistant"),
               key=len)  # fmt: skip


def _asked(sample: Sample, question: str, answer: str) -> Sample:
    messages = (Message("user", (ImagePart(), TextPart(f"\n{question}"))), Message("assistant", (TextPart(answer),)))
    return replace(sample, messages=messages, answers=(answer,), objects=())


def _misread(text: str) -> str:
    return text + "0"


SOURCES: dict[str, Callable[[], list[Sample]]] = {
    "scenes": scenes, "kinds": kinds, "captions": captions, "outlined": outlined, "screens": screens,
    "hinted": hinted, "questions": questions, "tables": tables, "problems": problems, "transcribed": transcribed,
    "documents": documents,
    **UNTAUGHT,
}  # fmt: skip


def write_sources(folder: Path, names: list[str]) -> None:
    """Write the named sources where recipes look for them."""
    for name in names:
        place = folder / "runs" / "corpus" / "in" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "rows.tar").write_bytes(pack(SOURCES[name]()))


def rules() -> list[dict[str, object]]:
    """Return what the teacher of the recipes says: right for most rows, useless for some."""

    def rule(prompt: str, say: str, *contains: str) -> dict[str, object]:
        return {"prompt": prompt, "contains": contains, "say": say}

    said = [
        rule("recaption", 'The image displays: a few coloured figures on a plain ground, and a sign "OPEN 24".'),
        rule("writing", "Grade: 8/10"),
        rule("reasoning", "First add.\nAnswer: 7", "3 plus 4"),
    ]
    said += [rule("reasoning", f"Add {n} and {n + 1}, one more than twice {n}.\nAnswer: {2 * n + 1}",
                  f"What is {n} plus {n + 1}?") for n in range(NUM_ROWS) if n != 5]  # fmt: skip
    said += [rule("reasoning", "I think so.\nAnswer: 12", "5 plus 6")]
    said += [rule("regenerate", f"I count the figures one by one.\nAnswer: {len(row.objects)}", f"row {n}?")
             for n, row in enumerate(scenes())]  # fmt: skip
    said += [rule("table", f"I look it up in the row.\nAnswer: {row.answers[0]}", text_of(row, ("user",)))
             for row in tables()]  # fmt: skip
    said += [rule("ocr_cleaning", answer_of(row).removesuffix("0"), answer_of(row)) for row in transcribed()]
    pairs = [{"question": "What is on the sign?", "answer": 'It says "OPEN 24".'},
             {"question": "What is on the door?", "answer": 'It says "CLOSED ALL DAY".'}]  # fmt: skip
    facts = [{"question": "At which temperature does ice melt?", "answer": "Ice melts at 0 degrees."},
             {"question": "Who was Celsius?", "answer": "A Swedish astronomer born in 1701."}]  # fmt: skip
    return [*said, rule("vqa", f"```json\n{json.dumps(pairs)}\n```"), rule("textbook", json.dumps(facts))]


def write_teacher(folder: Path) -> None:
    """Write a service file where recipes look for it, that answers by the rules."""
    place = folder / "recipes" / "teacher"
    place.mkdir(parents=True, exist_ok=True)
    (place / "recording.jsonl").write_text("".join(f"{json.dumps(rule)}\n" for rule in rules()))
    lines = ("kind: recorded", "recording: recipes/teacher/recording.jsonl", "cache: runs/corpus/teacher",
             "price_in: 1.0", "price_out: 2.0", "budget: 1.0")  # fmt: skip
    (place / "local.yaml").write_text("\n".join(lines))


def _captioned(sample: Sample) -> Sample:
    caption, spans = "The picture shows", []
    for item in sample.objects:
        caption += " a " if not spans else ", a "
        spans.append([len(caption), len(caption) + len(item.label), *item.box])
        caption += item.label
    return replace(sample, messages=(Message("user", (ImagePart(),)), Message("assistant", (TextPart(f"{caption}."),))),
                   objects=(), provenance={**sample.provenance, "caption": f"{caption}.", "spans": spans})  # fmt: skip


def _diamond(item: SceneObject) -> list[float]:
    x1, y1, x2, y2 = item.box
    return [(x1 + x2) / 2, y1, x2, (y1 + y2) / 2, (x1 + x2) / 2, y2, x1, (y1 + y2) / 2]
