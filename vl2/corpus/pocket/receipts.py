"""Receipts: a shop, items with prices and their true total."""

from __future__ import annotations

import random
from dataclasses import dataclass

from vl2.corpus.pocket.canvas import Picture, open_picture, pick_ink
from vl2.corpus.pocket.conversation import UNGRADED, Brief, Drawn, Turn, say
from vl2.corpus.pocket.lettering import SMALLEST_SIZE, Style, line_metrics, measure, pick_face, write
from vl2.corpus.pocket.read import PAGE_QUESTION
from vl2.corpus.pocket.words import GOODS, NAMES, SHOP_KINDS, pick_distinct

RECEIPT_SIZES = ((96, 96), (96, 192), (80, 160), (192, 192))
RECEIPT_SIZE_WEIGHTS = (48, 36, 8, 8)
TOTALS = ("TOTAL", "Total")
FURTHER_SHARE = 0.3  # how often a training conversation also reads the whole receipt
EDGE = 3
Row = tuple[str, str]  # left, right


@dataclass(frozen=True)
class Receipt:
    """What is on a receipt; prices in cents."""

    shop: str
    date: str
    items: tuple[tuple[str, int], ...]
    total_word: str

    @property
    def total(self) -> int:
        """Return the sum of the prices."""
        return sum(cents for _, cents in self.items)

    def rows(self) -> list[Row]:
        """Return the printed rows, top to bottom."""
        heads = [(self.shop, "")] + ([(self.date, "")] if self.date else [])
        return [*heads, *((name, money(cents)) for name, cents in self.items), (self.total_word, money(self.total))]

    def text(self) -> str:
        """Return the printed rows as lines."""
        return "\n".join(f"{left} {right}".strip() for left, right in self.rows())


def money(cents: int) -> str:
    """Write cents as 4.20."""
    return f"{cents // 100}.{cents % 100:02d}"


def draw_receipt(brief: Brief) -> Drawn:
    """Draw a receipt and ask for prices, items and the total."""
    rng = brief.rng
    picture, receipt = print_receipt(brief)
    turns = [_ask(rng, receipt) for _ in brief.kinds]
    if brief.split == "train" and len(turns) > 1 and rng.random() < FURTHER_SHARE:
        turns = [*turns[:-1], say(UNGRADED, PAGE_QUESTION, receipt.text())]
    return Drawn((picture,), tuple(turns))


def print_receipt(brief: Brief) -> tuple[Picture, Receipt]:
    """Draw a receipt on a fresh picture."""
    rng = brief.rng
    width, height = rng.choices(RECEIPT_SIZES, RECEIPT_SIZE_WEIGHTS)[0]
    paper = rng.randint(238, 255)
    base = (paper, paper, paper) if rng.random() < 0.7 else None
    picture = open_picture(rng, brief.split, width, height, base=base, calm=True)
    receipt = _invent(rng, brief, 2 + rng.randint(0, 1 if height <= 96 else 3), dated=height > 96)
    face, ink = pick_face(rng, brief.split), pick_ink(rng, picture.base)
    size = rng.randint(10, 16 if width > 96 else 12)
    while True:
        style = Style(face, size, ink)
        above, below = line_metrics(face, size)
        rows = receipt.rows()
        tallest = (above + below + 1) * len(rows) + 2 * EDGE + 2
        widest = max(measure(left, style).advance + measure(right, style).advance + (5 if right else 0)
                     for left, right in rows)  # fmt: skip
        if widest <= width - 2 * EDGE and tallest <= height:
            break
        if size > SMALLEST_SIZE:
            size -= 1
        else:
            receipt = _invent(rng, brief, 2, dated=False)
    _lay_out(rng, picture, rows, style)
    return picture, receipt


def _invent(rng: random.Random, brief: Brief, num_items: int, *, dated: bool) -> Receipt:
    goods = pick_distinct(rng, brief.split, GOODS, num_items, 7)
    if rng.random() < 0.3:
        goods = [name.capitalize() for name in goods]
    owner = pick_distinct(rng, brief.split, NAMES, 1, 6)[0]
    shop = f"{owner} {rng.choice(SHOP_KINDS)}"
    date = f"{rng.randint(2000, 2035)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    dearest = rng.choice((999, 999, 2500))
    items = tuple((name, rng.randrange(5, dearest, 5) if rng.random() < 0.5 else rng.randint(5, dearest))
                  for name in goods)  # fmt: skip
    return Receipt(
        shop.upper() if rng.random() < 0.4 else shop, date if dated and rng.random() < 0.5 else "", items,
        rng.choice(TOTALS),
    )  # fmt: skip


def _lay_out(rng: random.Random, picture: Picture, rows: list[Row], style: Style) -> None:
    above, below = line_metrics(style.face, style.size)
    room = picture.height - 2 * EDGE - 2
    pitch = min(room // len(rows), above + below + 1 + rng.randint(0, 5))
    top = EDGE + rng.randint(0, max(0, room - pitch * len(rows)))
    ruled = rng.random() < 0.6
    for number, (left, right) in enumerate(rows):
        is_total = number == len(rows) - 1
        baseline = top + number * pitch + above + (2 if is_total else 0)
        if is_total and ruled:
            y = top + number * pitch
            picture.pen.line((EDGE, y, picture.width - EDGE - 1, y), fill=style.colour)
        if right:
            write(picture, EDGE, baseline, left, style)
            write(picture, picture.width - EDGE - measure(right, style).advance, baseline, right, style)
        else:
            write(picture, max(EDGE, (picture.width - measure(left, style).advance) // 2), baseline, left, style)


def _ask(rng: random.Random, receipt: Receipt) -> Turn:
    kind, roll = "receipt.cell", rng.random()
    name, cents = rng.choice(receipt.items)
    if roll < 0.45:
        return say(kind, f"What is the price of {name}?", money(cents))
    if roll < 0.65:
        return say(kind, "What is the total?", money(receipt.total))
    if roll < 0.88 and sum(other == cents for _, other in receipt.items) == 1:
        return say(kind, f"Which item costs {money(cents)}?", name)
    return say(kind, "How many items are there?", str(len(receipt.items)))
