"""Draw chart: a row that tells of a chart gets its picture, and questions that the picture answers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vl2.core.sample import ImageSource, Sample
from vl2.corpus.drawing.chart.data import FIELD, Chart, chart_of
from vl2.corpus.drawing.chart.draw import Drawn, draw
from vl2.corpus.drawing.chart.look import pick_look
from vl2.corpus.drawing.chart.questions import ask
from vl2.corpus.drawing.chart.reading import wording
from vl2.corpus.rewriting import dice_of
from vl2.corpus.sources.wordings import in_turns
from vl2.data.faults import RowError

FEWEST_QUESTIONS, MOST_QUESTIONS = 3, 6


@dataclass(frozen=True, kw_only=True)
class DrawChart:
    """Charts as pictures, with questions; `faces` of vl2.corpus.drawing.chart.faces are for English ones."""

    faces: tuple[str, ...] = ("dejavu", "dejavu_serif", "stix")
    seed: int = 0

    def change(self, sample: Sample) -> Sample:
        """Return the row with its chart drawn. Raises RowError when its words do not fit, or little can be asked."""
        chart = chart_of(sample)
        dice = dice_of(sample, "draw_chart", self.seed)
        look = pick_look(chart, dice, self.faces)
        drawn = draw(chart, look)
        turns = ask(chart, drawn, dice, dice.randint(FEWEST_QUESTIONS, MOST_QUESTIONS))
        if len(turns) < FEWEST_QUESTIONS:
            raise RowError("a chart of which little can be asked")
        told = {name: value for name, value in sample.provenance.items() if name != FIELD}
        told |= {"document": "\n".join(chart.lines()), "caption": describe(chart, drawn)}
        return replace(
            sample, messages=in_turns([(turn.question, turn.answer) for turn in turns]),
            images=(ImageSource(data=drawn.png, width=look.width, height=look.height),),
            answers=(turns[0].answer, *turns[0].also), provenance=told,
        )  # fmt: skip


def describe(chart: Chart, drawn: Drawn) -> str:
    """Return what a chart shows in two sentences: its kind and title, and where its values end."""
    is_chinese = chart.language == "zh"
    kind = wording()["kinds"][chart.language][chart.kind]
    opening = (
        f"{kind}，标题为“{chart.title}”。" if is_chinese else f"{_article(kind)} {kind} with the title “{chart.title}”."
    )
    names = (("、" if is_chinese else ", ").join(one.name for one in chart.series)) if drawn.has_legend else ""
    if names:
        return opening + (f"图例为{names}。" if is_chinese else f" Its legend names {names}.")
    if chart.kind == "scatter":
        return opening + (f"横轴为{chart.x_name}，纵轴为{chart.y_name}。" if is_chinese
                          else f" The x axis shows {chart.x_name}, the y axis {chart.y_name}.")  # fmt: skip
    values = chart.series[0].values
    ends = [values.index(max(values)), values.index(min(values))]
    sign = "%" if chart.kind == "pie" else ""
    told = [
        f"（{chart.say(values[end])}{sign}）" if is_chinese else f" ({chart.say(values[end])}{sign})" for end in ends
    ]
    high, low = (chart.names[end] + (say if drawn.printed else "") for end, say in zip(ends, told, strict=True))
    return opening + (
        f"最高的是{high}，最低的是{low}。" if is_chinese else f" The highest is {high}, the lowest {low}."
    )


def _article(word: str) -> str:
    return "An" if word[0] in "aeiou" else "A"
