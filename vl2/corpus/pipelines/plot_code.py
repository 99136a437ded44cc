"""Plot code: a picture of a plot and the Python that draws it. What is kept was run, and draws it (section 3.2).

Notebooks often need data that is not there, or draw with versions of long ago: with `likeness` 0 the picture is the one
that the code draws here, and is right by construction.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from vl2.core.sample import ImageSource, Sample
from vl2.corpus.pipelines.code import ask_for_code, code_of, count_lines
from vl2.corpus.pipelines.likeness import likeness
from vl2.corpus.rewriting import dice_of
from vl2.corpus.sandbox.run import Caps, run_code
from vl2.data.faults import RowError
from vl2.processor import image_size

QUESTIONS = (
    "Write Python code that draws this plot.",
    "Reproduce this figure with matplotlib.",
    "Which Python code makes this chart?",
    "用 Python 代码画出这张图。",
)
_PICTURES = (".png", ".jpg", ".jpeg")
LEAST_SIDE = 32  # pixels; a smaller picture is no plot


@dataclass(frozen=True, kw_only=True)
class PlotCode:
    """What code has to be, and how near its picture has to come to the row's."""

    least_lines: int = 5  # of code, as DeepSeek-VL had it
    likeness: float = 0.9  # of both pictures; 0: the row takes the picture that the code draws
    code_before: bool = True  # of a notebook: where a cell alone does not run, with the cells before it
    caps: Caps = field(default_factory=Caps)
    seed: int = 0

    def change(self, sample: Sample) -> Sample:
        """Return the row with a question for its code. Raises RowError on code that does not draw one picture."""
        code = code_of(sample)
        if count_lines(code) < self.least_lines:
            raise RowError("too few lines of code")
        ran = run_code(code, self.caps)
        before = sample.provenance.get("code_before")
        if ran.problem and self.code_before and isinstance(before, str):
            code = f"{before.rstrip()}\n\n{code}"
            ran = run_code(code, self.caps)
        if ran.problem:
            raise RowError(f"code that {ran.problem}")
        drawn = [data for name, data in ran.files.items() if name.lower().endswith(_PICTURES)]
        if len(set(drawn)) != 1:
            raise RowError("code that draws no picture" if not drawn else "code that draws several pictures")
        width, height = image_size(ImageSource(data=drawn[0]))
        if min(width, height) < LEAST_SIDE:
            raise RowError("code that draws too small a picture")
        picture = ImageSource(data=drawn[0], width=width, height=height)
        image, quality = picture, dict(sample.quality)
        if self.likeness:
            if not sample.images:
                raise RowError("no picture to compare with")
            image, alike = sample.images[0], likeness(sample.images[0], picture)
            if alike < self.likeness:
                raise RowError("code that draws another picture")
            quality["plot_code.likeness"] = alike
        question = dice_of(sample, "plot_code", self.seed).choice(QUESTIONS)
        return replace(sample, messages=ask_for_code(question, "python", code), images=(image,), objects=(), answers=(),
                       quality=quality)  # fmt: skip
