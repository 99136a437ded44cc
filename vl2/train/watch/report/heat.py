"""Heat maps of expert load: too much in one colour, too little in another, an even share clear on any background."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Iterator, Sequence

from vl2.train.watch.line import LogLine
from vl2.train.watch.report.chart import BOTTOM, LEFT, NARROW, RIGHT, TOP, WIDE, figure, short

OVER, UNDER = (224, 96, 24), (40, 110, 210)
HOTTEST = 3.0  # times an even share, and more
LEVELS = 32
MOST_TICKS = 6
GRID_HEIGHT = 8  # pixels of a layer, at least
Rows = Sequence[Sequence[float]]  # shares of a mean load


def latest_load(lines: Sequence[LogLine]) -> Iterator[str]:
    """Yield the last load of a run over layers and experts, in two widths."""
    found = [line.expert_load for line in lines if line.expert_load]
    if found:
        yield from _both("Expert load, layers by experts", found[-1], (1, len(found[-1][0])))


def fullest_over_time(lines: Sequence[LogLine]) -> Iterator[str]:
    """Yield the load of the fullest expert of each layer over steps, in two widths."""
    told = _alike(lines)
    if len(told) > 1:
        rows = [[max(line.expert_load[layer]) for line in told] for layer in range(len(told[0].expert_load))]
        yield from _both("Fullest expert, layers by steps", rows, (told[0].step, told[-1].step))


def experts_over_time(lines: Sequence[LogLine]) -> Iterator[tuple[int, str]]:
    """Yield each MoE layer's number, counted from 1, and the load of its experts over steps."""
    told = _alike(lines)
    if len(told) < 2:
        return
    for layer in range(len(told[0].expert_load)):
        rows = [[line.expert_load[layer][expert] for line in told] for expert in range(len(told[0].expert_load[layer]))]
        title = f"Experts of layer {layer + 1} by steps"
        yield layer + 1, _map(title, rows, (told[0].step, told[-1].step), NARROW[0], 120, "")


def to_png(rows: Rows) -> str:
    """Return rows of shares as a picture of one pixel each: a data URL."""
    height, width = len(rows), len(rows[0])
    pixels = b"".join(b"\0" + b"".join(bytes(_colour(share)) for share in row) for row in rows)  # 0: no filter
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)  # 8 bits, colour with alpha
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b""))
    data = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    )
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + data).decode()


def _colour(share: float) -> tuple[int, int, int, int]:
    strength = (share - 1) / (HOTTEST - 1) if share >= 1 else 1 - max(0.0, share)
    level = round(LEVELS * math.sqrt(min(1.0, strength)))  # small differences are seen too
    return (*(OVER if share >= 1 else UNDER), round(255 * level / LEVELS))


def _alike(lines: Sequence[LogLine]) -> list[LogLine]:
    """Return the lines whose load has the shape of the last one."""
    told = [line for line in lines if line.expert_load]
    return [line for line in told if _shape(line) == _shape(told[-1])]


def _shape(line: LogLine) -> tuple[int, int]:
    return len(line.expert_load), len(line.expert_load[0])


def _both(title: str, rows: Rows, ends: tuple[int, int]) -> Iterator[str]:
    for (width, height), kind in ((WIDE, "roomy"), (NARROW, "tight")):
        yield _map(title, rows, ends, width, min(height, max(90, 2 * GRID_HEIGHT * len(rows) + TOP + BOTTOM)), kind)


def _map(title: str, rows: Rows, ends: tuple[int, int], width: int, height: int, kind: str) -> str:
    """Return a heat map; rows are numbered from 1 downwards, columns between `ends`."""
    room, tall = width - LEFT - RIGHT, height - TOP - BOTTOM
    image = (
        f'<image x="{LEFT}" y="{TOP}" width="{room}" height="{tall}" preserveAspectRatio="none" '
        f'href="{to_png(rows)}"/><rect class="frame" x="{LEFT}" y="{TOP}" width="{room}" height="{tall}"/>'
    )
    labels = [
        f'<text class="tick" x="{LEFT - 6}" y="{TOP + (row - 0.5) * tall / len(rows) + 4:.1f}" text-anchor="end">'
        f"{row}</text>"
        for row in range(1, len(rows) + 1, math.ceil(len(rows) / MOST_TICKS))
    ]
    places = (("start", LEFT, ends[0]), ("end", width - RIGHT, ends[1]))
    labels += [
        f'<text class="tick" x="{left}" y="{height - 7}" text-anchor="{anchor}">{short(number)}</text>'
        for anchor, left, number in places
    ]
    return figure(title, f"heat {kind}", [image, *labels], width, height)
