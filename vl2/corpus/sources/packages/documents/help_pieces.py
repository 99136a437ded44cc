"""Help pieces: the blocks of a page put together to pieces of a few hundred tokens, each under its headings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from vl2.corpus.sources.packages.documents.help_blocks import LISTING, Block

LEAST, WISHED, MOST = 150, 700, 900  # tokens of a piece, as `weigh` estimates them
ENOUGH = 0.7 * WISHED  # for the next heading to begin another piece
ASCII_TOKENS, OTHER_TOKENS = 0.87, 3.05  # of a character, by pocket's tokenizer; larger ones take fewer for both
_SENTENCE = re.compile(r"(?<=[。！？；])|(?<=[.!?]) ")


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some text of a page, and the headings above it, a line each."""

    headings: str
    text: str
    goes_on: bool  # it begins within what its last heading names


def weigh(said: str) -> float:
    """Return about how many tokens a text has."""
    num_ascii = sum(map(str.isascii, said))
    return ASCII_TOKENS * num_ascii + OTHER_TOKENS * (len(said) - num_ascii)


def cut(blocks: Sequence[Block]) -> Iterator[Piece]:
    """Yield pieces of at most `MOST` tokens; a heading begins one when the last has enough."""
    headings: list[Block] = []
    said: list[Block] = []
    above, goes_on = "", False
    for block in _short(_with_levels_from_one(blocks)):
        weight = sum(weigh(one.text) for one in said)
        if said and (weight + weigh(block.text) > MOST or block.level == 1 or (block.level and weight >= ENOUGH)):
            whole, said = (said, []) if block.level else _without_leads(said)
            if whole:
                yield Piece(headings=above, text=_joined(whole), goes_on=goes_on)
                above, goes_on = _lines(headings), not (block.level or (said and said[0].level))
        if block.level:
            headings = [*(one for one in headings if one.level < block.level), block]
            if not said:
                above, goes_on = _lines(headings), False
                continue
        said.append(block)
    said, _ = _without_leads(said)
    if said:
        yield Piece(headings=above, text=_joined(said), goes_on=goes_on)


def _without_leads(said: Sequence[Block]) -> tuple[list[Block], list[Block]]:
    """Return blocks without those at their end that only lead to the next, and these."""
    end = len(said)
    while end and (said[end - 1].level or said[end - 1].leads):
        end -= 1
    return list(said[:end]), list(said[end:])


def _joined(said: Sequence[Block]) -> str:
    text = ""
    for before, block in zip((None, *said), said, strict=False):
        gap = "" if before is None else "\n" if before.is_listed and block.is_listed else "\n\n"
        text += gap + ("#" * block.level + " " + block.text if block.level else block.text)
    return text


def _lines(headings: Sequence[Block]) -> str:
    return "\n".join("#" * block.level + " " + block.text for block in headings)


def _with_levels_from_one(blocks: Sequence[Block]) -> list[Block]:
    above = min((block.level for block in blocks if block.level), default=1) - 1
    return [replace(block, level=block.level - above) if block.level else block for block in blocks]


def _short(blocks: Sequence[Block]) -> Iterator[Block]:
    """Yield blocks, long ones cut at their lines or sentences."""
    for block in blocks:
        if block.level or weigh(block.text) <= MOST:
            yield block
            continue
        listed = block.text.startswith(LISTING)
        parts = block.text.splitlines()[1:-1] if listed else _SENTENCE.split(block.text)
        join = "\n" if listed else " " if block.text.isascii() else ""
        for some in _by_weight(parts, join):
            yield replace(block, text=f"{LISTING}\n{some}\n{LISTING}" if listed else some)


def _by_weight(parts: Sequence[str], join: str) -> Iterator[str]:
    said: list[str] = []
    for part in parts:
        if said and weigh(join.join((*said, part))) > WISHED:
            yield join.join(said)
            said = []
        said.append(part)
    yield join.join(said)
