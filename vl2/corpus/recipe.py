"""Recipe: where rows come from, what is done to them, and what is written. One flat YAML file, strictly read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vl2.core.errors import ConfigError, nearest
from vl2.core.settings import build, load_yaml, override
from vl2.corpus.gathering import Gathering
from vl2.corpus.source import Source
from vl2.corpus.step import Step
from vl2.corpus.steps import STEPS, StepKind, decided_fields
from vl2.corpus.write import FORMATS


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One corpus. Rows are worked on `block_rows` at a time: what is redone after a kill, and what a worker holds."""

    out: str
    sources: tuple[Source, ...]
    steps: tuple[dict[str, Any], ...] = ()  # `use` names a step of vl2.corpus.steps; the rest are its settings
    write: tuple[str, ...] = ("webdataset",)
    seed: int = 0
    block_rows: int = 500

    def fingerprint(self) -> str:
        """Return the hash of everything that decides what comes out: all but the folder it is written to."""
        values = {name: value for name, value in asdict(self).items() if name != "out"}
        versions = [STEPS[step["use"]].version for step in self.steps]
        text = json.dumps([values, versions], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Gather:
    """A step that has to see all blocks, with its settings."""

    kind: StepKind
    gathering: Gathering
    settings: Any


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Steps that see one block at a time, between two that have to see all blocks."""

    opening: Gather | None = None  # without one, rows come from the sources
    steps: tuple[tuple[Callable[[Any], Step], Any], ...]
    closing: Gather | None = None

    def build_steps(self) -> list[Step]:
        """Return the steps as functions; this is where word lists and benchmarks are read."""
        return [build_step(settings) for build_step, settings in self.steps]


def load_recipe(path: str | Path, assignments: list[str] | None = None) -> Recipe:
    """Read and check a recipe. Raises ConfigError."""
    values = override(load_yaml(path), assignments or [])
    sources = values.get("sources")
    if not isinstance(sources, list) or not sources:
        raise ConfigError(str(path), "no sources", expected="sources: a list of name and path")
    values["sources"] = [build(Source, _mapping(source, "sources"), thing=f"{path}: sources") for source in sources]
    recipe = build(Recipe, values, thing=str(path))
    check(recipe, str(path))
    return recipe


def check(recipe: Recipe, thing: str) -> None:
    """Refuse what would only fail hours later. Raises ConfigError."""
    names = [source.name for source in recipe.sources]
    if len(set(names)) < len(names):
        raise ConfigError(thing, "two sources have one name", got=", ".join(names))
    if recipe.block_rows < 1:
        raise ConfigError(thing, "block_rows is too small", got=recipe.block_rows, expected="at least 1")
    for name in recipe.write:
        if name not in FORMATS:
            raise ConfigError(thing, "unknown format", got=name, expected=", ".join(FORMATS), do=nearest(name, FORMATS))
    stages_of(recipe)


def stages_of(recipe: Recipe) -> list[Stage]:
    """Cut the steps into stages, settings checked. Raises ConfigError."""
    stages: list[Stage] = []
    opening: Gather | None = None
    steps: list[tuple[Callable[[Any], Step], Any]] = []
    known: set[str] = set()
    for number, values in enumerate(recipe.steps, 1):
        kind, settings = _read_step(values, f"step {number}")
        _check_known(f"step {number}", settings, known)
        known |= {f"{kind.name}.{name}" for name in kind.fields}
        if kind.build is not None:
            steps.append((kind.build, settings))
        if kind.gathering is not None:
            closing = Gather(kind=kind, gathering=kind.gathering, settings=settings)
            stages.append(Stage(opening=opening, steps=tuple(steps), closing=closing))
            opening, steps = closing, []
    return [*stages, Stage(opening=opening, steps=tuple(steps))]


def _check_known(thing: str, settings: Any, known: set[str]) -> None:
    for name in decided_fields(settings):
        if name not in known:
            raise ConfigError(
                thing, f"decides on {name!r}, which no step before it computes",
                expected="one of " + ", ".join(sorted(known)), do=nearest(name, known),
            )  # fmt: skip


def _read_step(values: Mapping[str, Any], thing: str) -> tuple[StepKind, Any]:
    if "use" not in values:
        raise ConfigError(thing, "names no step", expected="use: one of " + ", ".join(STEPS))
    name = str(values["use"])
    if name not in STEPS:
        raise ConfigError(thing, "unknown step", got=name, expected=", ".join(STEPS), do=nearest(name, STEPS))
    settings = {key: value for key, value in values.items() if key != "use"}
    return STEPS[name], build(STEPS[name].settings, settings, thing=f"{thing}, {name}")


def _mapping(value: Any, thing: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(thing, "not a mapping", got=type(value).__name__, expected="name and path")
    return value
