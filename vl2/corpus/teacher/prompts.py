"""Prompts: what a teacher is told, as files with a version. A change of words is a change of version."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vl2.core.errors import ConfigError
from vl2.core.sample import ImageSource
from vl2.core.settings import build, load_yaml
from vl2.corpus.teacher.ask import Ask

FOLDER = Path(__file__).parent / "prompts"
MOST_MATERIAL = 6000  # characters of one piece that is filled in
_PLACE = re.compile(r"\{([a-z_]+)\}")
_MATERIAL = re.compile(r'<material name="([a-z_]+)">\n(.*?)\n</material>', re.DOTALL)
_TAG = re.compile(r"</?material\b[^>]*>", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One task of a teacher. Each form is a list of lines; a line whose place stays empty is left out."""

    id: str
    version: int
    system: str
    forms: tuple[tuple[str, ...], ...]

    def fill(self, values: Mapping[str, str], dice: random.Random, images: Sequence[ImageSource] = ()) -> Ask:
        """Return the request in one of the forms; values are material between tags, never orders."""
        form = dice.choice(self.forms)
        lines = [_fill(line, values) for line in form]
        text = "\n".join(line for line in lines if line is not None)
        return Ask(prompt=self.id, version=self.version, system=self.system, text=text, images=tuple(images))


@cache
def load_prompt(name: str) -> Prompt:
    """Return a prompt of the package. Raises ConfigError."""
    path = FOLDER / f"{name}.yaml"
    prompt = build(Prompt, load_yaml(path), thing=str(path))
    if prompt.id != name or not prompt.forms:
        raise ConfigError(str(path), "a prompt is named as its file, and has a form")
    return prompt


def read_material(text: str) -> Mapping[str, str]:
    """Return the material of a request by its name, as `fill` has put it between tags; empty what it does not hold."""
    return defaultdict(str, {name: value.strip() for name, value in _MATERIAL.findall(text)})


def _fill(line: str, values: Mapping[str, str]) -> str | None:
    places = _PLACE.findall(line)
    if any(not values[place].strip() for place in places):
        return None
    return _PLACE.sub(lambda place: _material(place[1], values[place[1]]), line)


def _material(name: str, value: str) -> str:
    value = value[:MOST_MATERIAL]
    while _TAG.search(value):  # what is left may be a tag again
        value = _TAG.sub("", value)
    return f'<material name="{name}">\n{value}\n</material>'
