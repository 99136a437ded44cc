"""Composed: a teacher that is no model. It composes each reply out of the material in the request, and adds nothing.

For corpora that are built with no other model at hand. The same request has the same reply; wordings fall by its hash.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from vl2.corpus.teacher.ask import Ask, Done, Reply, Sampling, TeacherError, key_of
from vl2.corpus.teacher.composers.captions import compose_caption, compose_chinese_caption
from vl2.corpus.teacher.composers.documents import compose_document_questions
from vl2.corpus.teacher.composers.grades import compose_grade
from vl2.corpus.teacher.composers.pictures import compose_picture_questions
from vl2.corpus.teacher.composers.readings import compose_reading
from vl2.corpus.teacher.composers.solutions import compose_answer, compose_steps
from vl2.corpus.teacher.prompts import read_material

NAME = "composed"  # as what a recipe has to name the model: rows say who wrote them
Composer = Callable[[Mapping[str, str], random.Random], str]  # an empty reply where the material is not enough
COMPOSERS: dict[str, Composer] = {
    "recaption": compose_caption,
    "recaption_zh": compose_chinese_caption,
    "vqa": compose_picture_questions,
    "regenerate": compose_answer,
    "table": compose_answer,
    "reasoning": compose_steps,
    "textbook": compose_document_questions,
    "ocr_cleaning": compose_reading,
    "writing": compose_grade,
}
CHARACTERS_A_TOKEN = 4


class Composed:
    """The composers of all prompts."""

    def replies(self, asks: Sequence[Ask], sampling: Sampling, done: Done) -> None:
        """Compose all. Raises TeacherError on another name of the model, and on a prompt that nothing composes for."""
        if sampling.model != NAME:
            raise TeacherError("teacher", "composed replies are not those of a model", got=sampling.model,
                               expected=f"model: {NAME}")  # fmt: skip
        for ask in asks:
            done(ask, _compose(ask, sampling))


def _compose(ask: Ask, sampling: Sampling) -> Reply:
    if ask.prompt not in COMPOSERS:
        known = ", ".join(COMPOSERS)
        raise TeacherError("teacher", "no composer for a prompt", got=ask.prompt, expected=f"one of {known}")
    dice = random.Random(key_of(ask, sampling))
    said = COMPOSERS[ask.prompt](read_material(ask.text), dice)
    if not said:
        return Reply(problem="the material is not enough")
    return Reply(text=said, finish_reason="stop", prompt_tokens=len(ask.text) // CHARACTERS_A_TOKEN,
                 completion_tokens=len(said) // CHARACTERS_A_TOKEN)  # fmt: skip
