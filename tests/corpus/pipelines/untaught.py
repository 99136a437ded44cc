"""Tiny sources of the pipelines without a teacher: documents, formulas, tables, pages, plots, solved sums."""

from __future__ import annotations

from dataclasses import replace

from vl2.core.sample import ImagePart, ImageSource, Message, Part, Sample, TextPart
from vl2.corpus.pocket.draw import draw
from vl2.corpus.step import text_of

NUM_ROWS = 12
PLOT = """import matplotlib.pyplot as plt
heights = [{0}, 3, 5]
plt.figure(figsize=(4, 3))
plt.bar(["a", "b", "c"], heights)
plt.title("Row {0}")
plt.show()
"""
PAGE = """<html><head><style>h1 {{color: #123}}</style></head>
<body><h1>Shop {0}</h1><p>Open from {0} to 18.</p></body></html>"""


def image(number: int, task: str = "shapes") -> ImageSource:
    """Return a drawn picture."""
    return draw(task, "train", 11, number).images[0]


def answered(number: int, question: str, answer: str, *images: ImageSource, **told: object) -> Sample:
    """Return a row of one turn."""
    asked = Message("user", (*[ImagePart()] * len(images), TextPart(question)))
    return Sample(str(number), (asked, Message("assistant", (TextPart(answer),))), images, provenance=dict(told))


def described() -> list[Sample]:
    """Return captions as LLaVA has them: the picture after the question, and a second turn."""
    rows = []
    for number in range(NUM_ROWS):
        turns = (Message("user", (TextPart("What do you see?\n"), ImagePart())),
                 Message("assistant", (TextPart(f"Some figures of picture {number} on a plain ground."),)),
                 Message("user", (TextPart("Sure?"),)), Message("assistant", (TextPart("Yes."),)))  # fmt: skip
        rows.append(Sample(str(number), turns, (image(number),)))
    return rows


def documents_of(prefix: str, count: int) -> list[Sample]:
    """Return documents of three texts and two pictures, as the reader lays them."""
    rows = []
    for number in range(count):
        parts: tuple[Part, ...] = (
            TextPart(f"A walk along river {prefix}{number} in the morning.\n"), ImagePart(),
            TextPart(f"\nWe saw boat number {number} of the day.\n"), ImagePart(),
        )  # fmt: skip
        answer = TextPart(f"Then it rained on all {number} of us, and we went home.")
        rows.append(Sample(f"{prefix}{number}", (Message("user", parts), Message("assistant", (answer,))),
                           (image(number), image(number + 100))))  # fmt: skip
    return rows


def formulas() -> list[Sample]:
    """Return formulas, one of which is cut off."""
    rows = [answered(n, "LaTeX?", rf"\frac{{{n}}}{{2}} + \left( x_{n} \right)", image(n)) for n in range(NUM_ROWS)]
    return [*rows[:-1], answered(99, "LaTeX?", r"\frac{1}{2", image(99))]


def read() -> list[Sample]:
    """Return pages with what a second engine read: nearly all of it, and of one page another text."""
    rows = []
    for number in range(NUM_ROWS):
        drawn = draw("read_lines", "train", 3, number)
        text = max((text_of(replace(drawn, messages=(turn,))) for turn in drawn.messages), key=len)
        seen = f"{text[:-1]}X".split("\n") if number else ["nothing like it at all"]
        rows.append(answered(number, "Read.", text, drawn.images[0], ocr=seen))
    return rows


def html_tables() -> list[Sample]:
    """Return tables with spans, one of which lacks a cell."""
    whole = '<table><tr><td colspan="2">{0}</td></tr><tr><td>a</td><td>b</td></tr></table>'
    rows = [answered(n, "HTML?", whole.format(n), image(n, "table"), cells=3) for n in range(NUM_ROWS)]
    return [*rows[:-1], answered(99, "HTML?", whole.format(9).replace("<td>b</td>", ""), image(99, "table"))]


def charts() -> list[Sample]:
    """Return charts with their drawn questions, and one that cannot be answered."""
    rows = [draw("chart", "train", 5, number) for number in range(NUM_ROWS)]
    more = (Message("user", (TextPart("Who drew it?"),)), Message("assistant", (TextPart("Unanswerable"),)))
    return [replace(row, messages=(*row.messages, *more)) for row in rows]


def web() -> list[Sample]:
    """Return small pages with a picture each, and one that is no page."""
    rows = [answered(n, "HTML?", PAGE.format(n), image(n)) for n in range(3)]
    return [*rows, answered(99, "HTML?", "I cannot say.", image(99))]


def plots() -> list[Sample]:
    """Return plots with the picture that their code draws; of one the picture is another, one never ends."""
    from vl2.corpus.sandbox.run import run_code

    pictures = [ImageSource(data=run_code(PLOT.format(n)).files["figure-0.png"]) for n in (1, 9)]
    endless = PLOT.format(4) + "import socket\nsocket.socket()\n"
    return [answered(0, "Code?", f"```python\n{PLOT.format(1)}```", pictures[0]),
            answered(1, "Code?", PLOT.format(9), pictures[1]),
            answered(2, "Code?", PLOT.format(1), image(2)),
            answered(3, "Code?", endless, pictures[0]), answered(4, "Code?", "print(1)", pictures[0])]  # fmt: skip


def solved() -> list[Sample]:
    """Return sums with their solutions as GSM8K writes them."""
    return [answered(n, f"Ann has {n} pears and buys 3. How many has she?",
                     f"She has {n} + 3 = <<{n}+3={n + 3}>>{n + 3} pears in the end.\n#### {n + 3}")
            for n in range(4 * NUM_ROWS)]  # fmt: skip


UNTAUGHT = {
    "described": described, "obelics": lambda: documents_of("o", 40), "pages": lambda: documents_of("p", NUM_ROWS),
    "formulas": formulas, "read": read, "html_tables": html_tables, "charts": charts, "web": web, "plots": plots,
    "solved": solved,
}  # fmt: skip
