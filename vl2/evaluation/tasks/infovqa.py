"""InfographicVQA: questions about tall pages of figures (Mathew et al., 2022), shown in up to 18 tiles."""

from __future__ import annotations

from dataclasses import replace

from vl2.evaluation.tasks import docvqa

MAX_TILES = 18  # the paper's grids for this benchmark: m*n <= 18 (footnote 2)

TASK = replace(
    docvqa.TASK,
    name="infovqa",
    title="InfoVQA",
    source="rrc.cvc.uab.es/?ch=17; VLMEvalKit InfoVQA_*",
    profiles={name: replace(rule, max_tiles=MAX_TILES) for name, rule in docvqa.TASK.profiles.items()},
    num_rows={"validation": 2801, "test": 3288},
    published="InfoVQA",
    config="InfographicVQA",
)
