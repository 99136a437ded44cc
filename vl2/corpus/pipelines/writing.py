"""Writing: how well a text is written, by a teacher that never sees the image (section 3.2: cheap and effective)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vl2.core.sample import Sample
from vl2.corpus.rewriting import dice_of
from vl2.corpus.step import text_of
from vl2.corpus.teacher.ask import Ask
from vl2.corpus.teacher.prompts import load_prompt
from vl2.corpus.teacher.teaching import Taught
from vl2.data.faults import RowError

_GRADE = re.compile(r"(?<![\d.])(10|[0-9])(?:\.(\d))?(?:\s*/\s*10)?(?![\d.]*\d)")


@dataclass(frozen=True, kw_only=True)
class Writing(Taught):
    """No settings but the teacher's."""

    def asks(self, sample: Sample) -> list[Ask]:
        """Return the request about all answers of a row."""
        text = text_of(sample, ("assistant",))
        return [load_prompt("writing").fill({"text": text}, dice_of(sample, "writing", self.seed))] if text else []

    def measure(self, sample: Sample, said: Sequence[str]) -> dict[str, float]:
        """Return the grade, 0 to 10. Raises RowError on a reply without one."""
        return {"score": read_grade(said[0])} if said else {}


def read_grade(said: str) -> float:
    """Return the only number of a reply. Raises RowError when there is none, or more than one."""
    found = _GRADE.findall(said)
    if len(found) != 1:
        raise RowError("no grade in the reply")
    whole, tenth = found[0]
    return min(10.0, float(f"{whole}.{tenth or 0}"))
