"""Write the labelled rows: python -m tests.corpus.labelled.build. Faults are planted as this file says, nothing else.

A row has its text, its label (1: has the fault), where it is from, and its half: filters were tuned on `tune` alone.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

from tests.corpus.labelled.mixed import MIXED, SLIPS, UNMIXED
from tests.corpus.labelled.texts import CHINESE, ENGLISH, HONEST_REPEATS

FOLDER = Path(__file__).parent
HALVES = ("tune", "held")
Row = dict[str, object]


def row(text: str, label: int, origin: str, number: int) -> Row:
    return {"text": text, "label": label, "from": origin, "half": HALVES[number % 2]}


def sentences(text: str) -> list[str]:
    return [one for one in re.split(r"(?<=[.!?])\s+|(?<=[。！？])", text) if one.strip()]


def prose() -> list[str]:
    return [text for text in (*ENGLISH, *CHINESE) if "\n" not in text and len(sentences(text)) > 1]


def repetition(rng: random.Random) -> Iterator[Row]:
    honest = [*ENGLISH, *CHINESE, *HONEST_REPEATS]
    yield from (row(text, 0, "written", number) for number, text in enumerate(honest))
    for number, text in enumerate(prose()):
        parts = sentences(text)
        gap = " " if text.isascii() else ""
        last, any_one = parts[-1], rng.choice(parts)
        tail = last.split()[-3:] if text.isascii() else [last[-6:-1]]
        yield row(gap.join([*parts, *[last] * rng.randint(2, 8)]), 1, "the last sentence again and again", number)
        yield row(text + gap + (gap.join(tail) + gap) * rng.randint(6, 30), 1, "its last words in a loop", number)
        yield row("\n".join([*parts, any_one, *parts[: rng.randint(1, 2)]]), 1, "lines again, later", number)
        yield row(text + "\n\n" + text, 1, "the whole again", number)


def truncation(rng: random.Random) -> Iterator[Row]:
    honest = [*ENGLISH, *CHINESE]
    yield from (row(text, 0, "written", number) for number, text in enumerate(honest))
    for number, text in enumerate(prose()):
        parts = sentences(text)
        gap = " " if text.isascii() else ""
        yield row(gap.join(parts[: rng.randint(1, len(parts) - 1)]), 0, "whole sentences of it", number)
        cuts = [at for at in range(len(parts[0]) + 4, len(text) - 2) if inside(text, at)]
        for at in sorted(rng.sample(cuts, min(3, len(cuts)))):
            yield row(text[:at].rstrip(), 1, "cut within a sentence", number)


def inside(text: str, at: int) -> bool:
    """Tell whether a cut here leaves more of a sentence than it ends: two words or characters before, one behind."""
    before, behind = re.split(r"[.!?。！？…\n]", text[:at])[-1], re.split(r"[.!?。！？…\n]", text[at:])[0]
    return sum(map(str.isalnum, before)) > 2 and sum(map(str.isalnum, behind)) > 1


def code_mix(rng: random.Random) -> Iterator[Row]:
    yield from (row(text, 1, "written", number) for number, text in enumerate(MIXED))
    yield from (row(text, 0, "written", number) for number, text in enumerate(UNMIXED))
    yield from (row(text, 0, "written", number) for number, text in enumerate((*ENGLISH, *CHINESE)))
    for number, text in enumerate(CHINESE):
        for word in [word for word in SLIPS if word in text][:3]:
            yield row(text.replace(word, SLIPS[word], 1), 1, "a word in English", number)
    for number, text in enumerate(ENGLISH):
        found = [(han, word) for han, word in SLIPS.items() if re.search(rf"\b{word}\b", text)]
        for han, word in found[:2]:
            yield row(re.sub(rf"\b{word}\b", han, text, count=1), 1, "a word in Chinese", number)


PLANTED = {"repetition": repetition, "truncation": truncation, "code_mix": code_mix}


def rows_of(name: str) -> list[Row]:
    """Return the rows of one filter, without those that came out twice."""
    found = list(PLANTED[name](random.Random(7)))
    return list({str(one["text"]): one for one in reversed(found)}.values())[::-1]


def main() -> None:
    for name in PLANTED:
        lines = [json.dumps(one, ensure_ascii=False) + "\n" for one in rows_of(name)]
        (FOLDER / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
