"""Task: how the rows of a benchmark are read, asked, scored and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from vl2.core.sample import Sample
from vl2.evaluation.row import Row
from vl2.evaluation.verdict import Dialect, Verdict

Profile = Literal["vlmevalkit", "lmms", "native-grounding", "native"]  # whose prompts
Format = Literal["parquet", "tsv", "grounding-jsonl", "jsonl", "shards"]
Record = Mapping[str, Any]  # a row of a file: column to value, images as ImageSource


@dataclass(frozen=True, kw_only=True)
class PromptRule:
    """How one profile asks the rows of a task, and what it makes of an answer before it is scored."""

    ask: Callable[[Row], Sample]  # ends with the question; the runner adds the empty answer
    max_new_tokens: int = 2048
    stop: tuple[str, ...] = ()
    clean: Callable[[str], str] = str.strip
    max_tiles: int | None = None  # local tiles an image may have, where not the model's own number
    dialect: Dialect = "canonical"  # the scoring rules that go with these prompts, unless others are asked for


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A row with the verdict on its answer; images are not needed any more."""

    row: Row
    said: str
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Count:
    """What a group of rows adds to one part of the headline.

    The headline is the sum over its parts of scale x (sum of values / sum of weights): a mean has one part, MME's sum
    two for each of its categories. So one bootstrap over groups serves all of them.
    """

    part: str
    group: str
    value: float
    weight: float = 1.0


Counter = Callable[[Sequence[Scored]], Iterator[Count]]


def count_rows(scored: Sequence[Scored]) -> Iterator[Count]:
    """Count each row alone: the headline is their mean credit."""
    for one in scored:
        yield Count(part="all", group=one.row.group or one.row.id, value=one.verdict.credit)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One benchmark."""

    name: str  # as on the command line: docvqa
    title: str  # as in the paper: DocVQA
    source: str  # where prompts and metric are defined
    metric: str  # its name in the report: ANLS
    rows: Mapping[Format, Callable[[Record], Iterator[Row]]]  # what a record of each format holds
    profiles: Mapping[Profile, PromptRule]
    score: Callable[[Row, str, Dialect], Verdict]
    count: Counter = count_rows
    scale: float = 100.0  # of each part of the headline
    breakdown: tuple[str, ...] = ("category",)  # attributes or fields of rows that the report tells apart
    num_rows: Mapping[str, int] = field(default_factory=dict)  # expected rows of the splits that are known
    published: str = ""  # its column in the published tables
    data: str = ""  # where its rows lie unless told otherwise
    repository: str = ""  # of its Parquet files on the hub: lmms-lab/DocVQA
    config: str = ""  # the folder there, where a repository holds several benchmarks
