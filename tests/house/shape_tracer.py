"""Hold trailing shape comments (`x = f(y)  # [B, T, D]`) against the tensors of a real run.

Read: the targets of assignments, returned values, arguments that stand on a line of their own, and the fields of
dataclasses. `[B, T, D], [B, T, K]` speaks of a tuple; one shape beside a tuple speaks of each of its members.
A dimension is a letter, a number or arithmetic of both (`2*H`, `R+Dr`, `E/G`); `...` or `..` stands for any dimensions.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tests.house.shape_comments import Legend, Letters, Site, Source, match_shape

INNER_FRAMES = {"<lambda>", "<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}  # run inside another statement
GENERATED = "<string>"  # the file name of a dataclass's __init__


@dataclass
class Report:
    """What a traced run has shown: checks by site, the comments that do not hold, and those that no check reached."""

    sources: list[Source]
    checked: Counter[Site] = field(default_factory=Counter)
    mistakes: dict[str, None] = field(default_factory=dict)  # ordered, each once

    @property
    def unreached(self) -> list[str]:
        """Return `file:line: comment` of comments that stand on a checkable line which the run never finished."""
        return [str(site) for source in self.sources for site in source.sites if site not in self.checked]

    @property
    def unreadable(self) -> list[str]:
        """Return `file:line: comment` of comments that look like a shape but stand where nothing can be checked."""
        return [line for source in self.sources for line in source.unreadable]

    def check(self, site: Site, value: object, letters: Letters) -> None:
        """Compare one value with its comment; None is what an optional tensor may be."""
        values = value if isinstance(value, tuple) else (value,)
        shapes = site.shapes * len(values) if len(site.shapes) == 1 else site.shapes
        if len(shapes) != len(values):
            self.mistakes[f"{site}: {len(shapes)} shapes for {len(values)} values"] = None
            return
        for shape, item in zip(shapes, values, strict=True):
            if item is None:
                continue
            self.checked[site] += 1
            if not hasattr(item, "shape"):
                self.mistakes[f"{site}: not a tensor (got {type(item).__name__})"] = None
            elif problem := match_shape(shape, tuple(item.shape), letters, site.line):
                self.mistakes[f"{site}: shape is {list(item.shape)}: {problem}"] = None


def trace_shapes(modules: Sequence[str], legend: Legend, run: Callable[[], object]) -> Report:
    """Run `run` and check every shape comment that it passes in `modules`.

    `legend` gives letters their size, or a tuple of the sizes they may have. A letter binds at its first use in a
    function call and must keep its size there; letters bound in a loop are free again in the next round.
    """
    sources = {}
    for name in modules:
        path = import_module(name).__file__
        assert path is not None, f"{name} has no file"
        sources[path] = Source(name, Path(path))
    report = Report(list(sources.values()))
    tracer = _Tracer(report, sources, {source.module: source for source in sources.values()}, legend)
    before = sys.gettrace()
    sys.settrace(tracer.enter)
    try:
        run()
    finally:
        sys.settrace(before)
    return report


@dataclass
class _Tracer:
    """The global trace function: gives each frame of a traced file an observer of its own."""

    report: Report
    by_path: Mapping[str, Source]
    by_module: Mapping[str, Source]
    legend: Legend

    def enter(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any] | None:
        code = frame.f_code
        if code.co_name in INNER_FRAMES:
            return None
        if code.co_filename == GENERATED and code.co_name == "__init__":
            source = self.by_module.get(frame.f_globals.get("__name__", ""))
            return self._fields_observer(source) if source else None
        source = self.by_path.get(code.co_filename)
        if source is None:
            return None
        observer = _FrameObserver(self.report, source, Letters(self.legend))
        observer.check_arguments(code, frame)
        return observer.step

    def _fields_observer(self, source: Source) -> Callable[..., Any]:
        def step(frame: FrameType, event: str, arg: Any) -> Callable[..., Any]:
            if event == "return":
                made, letters = frame.f_locals["self"], Letters(self.legend)
                for name, site in source.fields.get(type(made).__qualname__, {}).items():
                    self.report.check(site, getattr(made, name, None), letters)
            return step

        return step


@dataclass
class _FrameObserver:
    """Follows one call line by line; a statement is over when another line runs or the call returns."""

    report: Report
    source: Source
    letters: Letters
    assigning: Site | None = None
    returning: Site | None = None  # kept apart: leaving a `with` runs its first line between `return` and the end

    def check_arguments(self, code: CodeType, frame: FrameType) -> None:
        for name, site in self.source.arguments.get(code.co_firstlineno, {}).items():
            self.report.check(site, frame.f_locals.get(name), self.letters)

    def step(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any]:
        if event == "exception":
            self.assigning = self.returning = None
        elif event == "line":
            site = self.source.by_line.get(frame.f_lineno)
            if site is not self.assigning:
                self._finish_assignment(frame)
            if loop_end := self.source.loops.get(frame.f_lineno):
                self.letters.release(frame.f_lineno, loop_end)
            if site is not None and site.targets:
                self.assigning = site
            elif site is not None:
                self.returning = site
        elif event == "return":
            self._finish_assignment(frame)
            if self.returning is not None:
                self.report.check(self.returning, arg, self.letters)
        return self.step

    def _finish_assignment(self, frame: FrameType) -> None:
        site, self.assigning = self.assigning, None
        if site is None:
            return
        values = tuple(_lookup(target, frame) for target in site.targets)
        self.report.check(site, values if len(values) > 1 else values[0], self.letters)


def _lookup(dotted: str, frame: FrameType) -> Any:
    first, *rest = dotted.split(".")
    value = frame.f_locals.get(first, frame.f_globals.get(first))
    for name in rest:
        value = getattr(value, name)
    return value
