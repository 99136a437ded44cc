"""Boxes as a grammar in llguidance's Lark, which vLLM applies where our own sampler cannot: `structured_outputs`.

Marks are named as the single tokens they are. Unlike our own constraint it cannot hold x1 <= x2 and y1 <= y2: a box
with its corners crossed is told as a problem.
"""

from __future__ import annotations

import json

from vl2.core.boxes import BOX_SCALE
from vl2.core.errors import ConfigError
from vl2.engine.box_constraint import DEFAULT_MAX_BOXES
from vl2.processor.marks import DET, DET_END, GROUNDING_MARKS, REF, REF_END

_NUMBER = f"/0|[1-9][0-9]{{0,{len(str(BOX_SCALE)) - 1}}}/"
_RULES = f"""
boxes: {DET} "[" box (", " box){{0,{DEFAULT_MAX_BOXES - 1}}} "]" {DET_END}
box: "[" NUMBER ", " NUMBER ", " NUMBER ", " NUMBER "]"
NUMBER: {_NUMBER}
TEXT: /(.|\\n)+/
"""


def whole_boxes_grammar() -> str:
    """Return the grammar of free text in which phrases and boxes are whole."""
    return f"start: TEXT? (phrase TEXT?)*\nphrase: ({REF} TEXT {REF_END})? boxes{_RULES}"


def detection_grammar(label: str) -> str:
    """Return the grammar of the boxes of one phrase, or text that says it is not there. Raises ConfigError."""
    if not label or any(mark in label for mark in GROUNDING_MARKS):
        raise ConfigError("label", "empty, or holds a grounding mark", got=ascii(label), expected="a phrase")
    return f"start: {REF} {json.dumps(label)} {REF_END} boxes | TEXT{_RULES}"
