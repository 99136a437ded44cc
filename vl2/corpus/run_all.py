"""Run all: one recipe, or those of a folder, each after those whose output it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath

from vl2.core.errors import ConfigError, VL2Error
from vl2.corpus.recipe import Recipe, load_recipe
from vl2.corpus.run import Progress, run_recipe
from vl2.corpus.run_local import Executor
from vl2.data.records.files import is_url

Show = Callable[[str, Progress], None]


def load_all(path: Path, assignments: list[str] | None = None) -> dict[str, Recipe]:
    """Return one recipe, or those of a folder in the order in which they can run, by name.

    Raises ConfigError when there are none, when two write to one place, or when they read one another in a circle.
    """
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    found = {file.stem: load_recipe(file, assignments) for file in files}
    if not found:
        raise ConfigError(str(path), "no recipes here", expected="files that end in .yaml")
    outs = [recipe.out for recipe in found.values()]
    if len(set(outs)) < len(outs):
        raise ConfigError(str(path), "two recipes write to one place", got=", ".join(sorted(outs)))
    return {name: found[name] for name in order(found)}


def order(recipes: Mapping[str, Recipe]) -> list[str]:
    """Return the names so that each comes after those whose output it reads. Raises ConfigError on a circle."""
    left = {name: _read_by(recipe, recipes) for name, recipe in recipes.items()}
    done: list[str] = []
    while left:
        ready = [name for name, needed in left.items() if needed <= set(done)]
        if not ready:
            raise ConfigError("recipes", "read one another in a circle", got=", ".join(left))
        done += ready
        left = {name: needed for name, needed in left.items() if name not in ready}
    return done


def check_sources(recipes: Mapping[str, Recipe]) -> None:
    """Refuse to start when a source is not there and no recipe makes it. Raises VL2Error that names all of them."""
    outs = [recipe.out for recipe in recipes.values()]
    missing: dict[str, list[str]] = {}
    for name, recipe in recipes.items():
        for path in _paths_of(recipe):
            if not (is_url(path) or any(_is_below(path, out) for out in outs) or _is_there(path)):
                missing.setdefault(path, []).append(name)
    if missing:
        got = "; ".join(f"{path} ({', '.join(names)})" for path, names in missing.items())
        raise VL2Error("sources", "are not there", got=got, do="Install or fetch them, then run this again.")


def run_all(recipes: Mapping[str, Recipe], executor: Executor, show: Show) -> list[Path]:
    """Build every corpus; return their folders. What was finished before is not done again. Raises VL2Error."""
    check_sources(recipes)
    outs: list[Path] = []
    for name, recipe in recipes.items():
        outs.append(run_recipe(recipe, executor, lambda progress, name=name: show(name, progress)))
        executor.release()  # what one recipe needs, the next does not
    return outs


def _read_by(recipe: Recipe, recipes: Mapping[str, Recipe]) -> set[str]:
    return {name for name, other in recipes.items() if any(_is_below(path, other.out) for path in _paths_of(recipe))}


def _paths_of(recipe: Recipe) -> Iterator[str]:
    for source in recipe.sources:
        yield source.path
        if source.images is not None:
            yield source.images


def _is_below(path: str, folder: str) -> bool:
    return PurePath(path).is_relative_to(folder)


def _is_there(path: str) -> bool:
    top = PurePath(path).anchor
    return any(Path(top or ".").glob(str(PurePath(path).relative_to(top))))
