"""Charts of a run: which figures are drawn, as points over steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vl2.train.watch.line import HELD_OUT, LogLine
from vl2.train.watch.report.history import History

MOST_CURVES, MOST_OTHERS = 6, 24  # curves of a chart; charts of figures that only this kind of run has
SMOOTHED = 0.03  # of all lines: the reach of the smoothed loss
HALF = 0.5

Point = tuple[float, float]  # step, value
Pick = Callable[[LogLine], float | None]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Points in the order of steps."""

    name: str  # "" where a chart has only this one
    points: Sequence[Point]
    look: Literal["line", "faint", "dots", "stairs"] = "line"
    hue: int = 0


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Curves on common axes."""

    title: str
    curves: Sequence[Curve]
    unit: str = ""
    is_from_zero: bool = False
    marks: Sequence[float] = ()  # steps that were left out
    is_wide: bool = False


@dataclass(frozen=True, kw_only=True)
class Plain:
    """A chart of one figure of a line."""

    title: str
    pick: Pick
    unit: str = ""
    is_from_zero: bool = True
    has_marks: bool = False


PLAIN = (
    Plain(title="Gradient norm", pick=lambda line: line.grad_norm, unit="before clipping", has_marks=True),
    Plain(title="Tokens a second", pick=lambda line: line.tokens_per_second),
    Plain(title="Tiles a second", pick=lambda line: line.tiles_per_second),
    Plain(title="MFU", pick=lambda line: _percent(line.mfu), unit="% of the peak, true FLOPs"),
    Plain(title="FLOP a second", pick=lambda line: line.flops_per_second if line.mfu is None else None),
    Plain(title="Wait for data", pick=lambda line: _percent(line.data_wait), unit="% of the time"),
    Plain(title="Memory", pick=lambda line: _giga(line.memory_bytes), unit="GB, the most so far"),
    Plain(title="Balance loss", pick=lambda line: line.balance_loss, is_from_zero=False),
    Plain(title="MaxVio", pick=lambda line: line.max_violation, unit="fullest expert above the mean, of the mean"),
    Plain(title="Supervised tokens a step", pick=lambda line: line.supervised_tokens),
)


def charts_of(history: History) -> Iterator[Chart]:
    """Yield every chart that a run has figures for, the loss first."""
    lines = history.lines
    spikes = [float(spike.step) for line in lines for spike in line.spikes]
    loss, held_out = points_of(lines, lambda line: line.loss), points_of(lines, lambda line: line.eval_loss)
    if curves := _learned(loss, held_out):
        yield Chart(title="Loss", curves=curves, unit="nats a supervised token", marks=spikes, is_wide=True)
    if rates := learning_rates(lines):
        yield Chart(title="Learning rate", curves=rates, is_from_zero=True)
    for plain in PLAIN:
        points = points_of(lines, plain.pick)
        if _says_something(points):
            marks = spikes if plain.has_marks else ()
            curve = Curve(name="", points=points)
            yield Chart(
                title=plain.title, curves=[curve], unit=plain.unit, is_from_zero=plain.is_from_zero, marks=marks
            )
    if skipped := skipped_samples(lines):
        yield Chart(title="Skipped samples", curves=skipped, unit="so far, by reason", is_from_zero=True)
    yield from _own_charts(lines)


def points_of(lines: Sequence[LogLine], pick: Pick) -> list[Point]:
    """Return the points of a figure where it was measured."""
    return [(float(line.step), value) for line in lines if (value := pick(line)) is not None]


def learning_rates(lines: Sequence[LogLine]) -> list[Curve]:
    """Return the rates by part; parts with the same ones share a curve."""
    names: dict[tuple[Point, ...], list[str]] = {}
    for part in dict.fromkeys(part for line in lines for part in line.learning_rates):
        names.setdefault(tuple(points_of(lines, _picker(_rates, part))), []).append(part)
    return [
        Curve(name=", ".join(parts), points=points, hue=hue)
        for hue, (points, parts) in enumerate(list(names.items())[:MOST_CURVES])
    ]


def smoothed(points: Sequence[Point]) -> list[Point]:
    """Return a running mean that forgets half in a few hundredths of the run, of both directions: it does not lag."""
    keep = HALF ** (1 / max(1.0, SMOOTHED * len(points)))
    values = [value for _, value in points]
    both = zip(_running(values, keep), reversed(_running(values[::-1], keep)), strict=True)
    return [(step, (before + after) / 2) for (step, _), (before, after) in zip(points, both, strict=True)]


def _running(values: Sequence[float], keep: float) -> list[float]:
    total = weight = 0.0
    found = []
    for value in values:
        total, weight = keep * total + value, keep * weight + 1
        found.append(total / weight)
    return found


def skipped_samples(lines: Sequence[LogLine]) -> list[Curve]:
    """Return how many samples were skipped so far; a counter that falls began again with a resume."""
    before: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    curves: dict[str, list[Point]] = {}
    for line in lines:
        for reason, count in line.skipped.items():
            sums[reason] += count - before[reason] if count >= before[reason] else count
            before[reason] = count
        for reason, total in sums.items():
            curves.setdefault(reason, []).append((float(line.step), float(total)))
    ranked = sorted(curves, key=lambda reason: -sums[reason])[:MOST_CURVES]
    return [
        Curve(name=reason, points=curves[reason], look="stairs", hue=hue)
        for hue, reason in enumerate(reason for reason in ranked if sums[reason])
    ]


def _own_charts(lines: Sequence[LogLine]) -> Iterator[Chart]:
    """Yield what only this kind of run measures, of held-out samples in the same chart."""
    names = dict.fromkeys(name.removeprefix(HELD_OUT) for line in lines for name in line.others)
    for name in list(names)[:MOST_OTHERS]:
        learned, held_out = (points_of(lines, _picker(_others, whose + name)) for whose in ("", HELD_OUT))
        curves = _learned(learned, held_out) if held_out else [Curve(name="", points=learned)]
        if _says_something((*learned, *held_out)):
            yield Chart(title=name[:1].upper() + name[1:].replace("_", " "), curves=curves)


def _learned(points: Sequence[Point], held_out: Sequence[Point]) -> list[Curve]:
    """Return a figure of the steps, raw and smoothed, beside the same of held-out samples."""
    curves = [Curve(name="raw", points=points, look="faint"), Curve(name="smoothed", points=smoothed(points))]
    return (curves if points else []) + (
        [Curve(name="held out", points=held_out, look="dots", hue=1)] if held_out else []
    )


def _says_something(points: Sequence[Point]) -> bool:
    return any(value for _, value in points)


def _rates(line: LogLine) -> Mapping[str, float]:
    return line.learning_rates


def _others(line: LogLine) -> Mapping[str, float]:
    return line.others


def _picker(values: Callable[[LogLine], Mapping[str, float]], name: str) -> Pick:
    return lambda line: values(line).get(name)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _giga(amount: float | None) -> float | None:
    return None if amount is None else amount / 1e9
