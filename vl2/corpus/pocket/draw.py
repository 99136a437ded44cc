"""Draw: one sample of the pocket corpus from its task, split, seed and index."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from vl2.core.errors import VL2Error, nearest
from vl2.core.sample import Sample
from vl2.corpus.pocket.canvas import Split
from vl2.corpus.pocket.charts import draw_chart
from vl2.corpus.pocket.chat import draw_chat
from vl2.corpus.pocket.compare import draw_pair
from vl2.corpus.pocket.conversation import Brief, Drawn, Turn, converse
from vl2.corpus.pocket.describe import draw_description
from vl2.corpus.pocket.grounding import draw_grounding, draw_text_grounding
from vl2.corpus.pocket.marks import draw_marks
from vl2.corpus.pocket.read import read_lines, read_word
from vl2.corpus.pocket.receipts import draw_receipt
from vl2.corpus.pocket.shapes import draw_shapes
from vl2.corpus.pocket.tables import draw_table

MOST_ATTEMPTS = 60
CLEAN_SHARE = 0.5  # how many pictures never get flaws at all


@dataclass(frozen=True)
class Task:
    """A family of pictures: its drawing function, its bench kinds with their shares of training, its turns."""

    draw: Callable[[Brief], Drawn]
    kinds: dict[str, float]
    turns: tuple[int, int]  # questions about one training picture: encoding it costs more than another question


TASKS: dict[str, Task] = {
    "read_word": Task(read_word, {"word": 1}, (1, 1)),
    "read_lines": Task(read_lines, {"lines": 1}, (1, 2)),
    "receipt": Task(draw_receipt, {"receipt.cell": 1}, (3, 5)),
    "table": Task(draw_table, {"table.cell": 1}, (3, 6)),
    "chart": Task(
        draw_chart,
        {
            "chart.value": 1.3,
            "chart.unprinted": 1,
            "chart.largest": 1,
            "chart.smallest": 0.7,
            "chart.count": 0.7,
            "chart.colour": 0.7,
        },
        (3, 6),
    ),
    "shapes": Task(
        draw_shapes,
        {
            "shapes.colour": 1,
            "shapes.shape": 1,
            "shapes.exists": 1,
            "shapes.count": 1.4,
            "shapes.position": 1,
            "shapes.compare": 0.8,
            "shapes.relation": 0.8,
        },
        (5, 8),
    ),
    "ground": Task(
        draw_grounding,
        {"ground.one": 0.36, "ground.many": 0.2, "ground.absent": 0.25, "ground.described": 0.19},
        (4, 6),
    ),
    "text_ground": Task(draw_text_grounding, {"text_ground": 1}, (2, 4)),
    "describe": Task(
        draw_description, {"describe.short": 1, "describe.normal": 1, "describe.grounded": 1}, (1, 3)
    ),
    "compare": Task(draw_pair, {"compare.count": 1, "compare.same_word": 0.8, "compare.colour": 1}, (2, 4)),
    "marks": Task(draw_marks, {"marks": 1}, (1, 1)),
    "chat": Task(draw_chat, {"chat": 1}, (1, 3)),
}
BENCH_KINDS: dict[str, str] = {kind: name for name, task in TASKS.items() for kind in task.kinds}


def draw(task: str, split: Split, seed: int, index: int) -> Sample:
    """Draw sample `index`: the same arguments give the same bytes.

    `train` holds one conversation of several turns; `heldout` exactly one turn, its kind taken in rotation.
    """
    if task not in TASKS:
        raise VL2Error("pocket task", "is unknown", got=task, expected=", ".join(TASKS), do=nearest(task, TASKS))
    row = TASKS[task]
    for attempt in range(MOST_ATTEMPTS):
        rng = random.Random(_stable_hash(task, split, seed, index, attempt))
        kinds = _pick_kinds(row, split, rng, index)
        drawn = row.draw(Brief(rng, split, kinds))
        turns = _distinct(drawn.turns, row.turns[1] if split == "train" else 1)
        if turns and turns[0].kind == kinds[0]:
            return _assemble(task, split, seed, index, rng, drawn, turns)
    raise VL2Error("pocket draw", "found no picture", got=f"{task} {seed}/{index}", do="Try another seed.")


def _stable_hash(*parts: object) -> int:
    digest = hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _pick_kinds(row: Task, split: Split, rng: random.Random, index: int) -> tuple[str, ...]:
    names = list(row.kinds)
    if split == "heldout":
        return (names[index % len(names)],)
    return tuple(rng.choices(names, list(row.kinds.values()), k=rng.randint(*row.turns)))


def _distinct(turns: tuple[Turn, ...], most: int) -> list[Turn]:
    return list({turn.question: turn for turn in reversed(turns)}.values())[::-1][:most]


def _assemble(task: str, split: Split, seed: int, index: int, rng: random.Random, drawn: Drawn,
              turns: list[Turn]) -> Sample:  # fmt: skip
    focus = turns[0]
    if split == "train":
        rng.shuffle(turns)
    flaws = rng.random() > CLEAN_SHARE
    return Sample(
        id=f"{task}-{split}-{seed}-{index:08d}",
        messages=converse(turns, len(drawn.pictures)),
        images=tuple(picture.encode(rng, flaws=flaws) for picture in drawn.pictures),
        objects=tuple(item for picture in drawn.pictures for item in picture.objects),
        answers=focus.accepted if split == "heldout" else (),
        provenance={"pipeline": "pocket", "task": task, "kind": focus.kind, "seed": seed, "index": index},
    )
