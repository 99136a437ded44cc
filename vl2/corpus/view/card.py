"""Card: a row as HTML: its pictures with their boxes, and its conversation. Everything that a row says is escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import escape

from vl2.core.sample import BoxesPart, ImagePart, Message, Sample, TextPart
from vl2.corpus.view.boxes import Mark, Picture, pictures_of

COLOURS = 8  # of labels, see web/page.css
NEAR_TOP, NEAR_RIGHT = 0.08, 0.6  # where a label stands inside its box, or at its right edge
MOST_LABELS, SMALL = 12, 240  # of one picture; on a small one, in pixels, two labels would already hide it

Address = Callable[[int], str | None]  # of a picture by its number, None when it cannot be shown


@dataclass
class Rules:
    """The style of a page's boxes: a policy that allows no style on elements needs it in one place."""

    lines: list[str] = field(default_factory=list)

    def add(self, declarations: str) -> str:
        """Return a class with these declarations."""
        name = f"p{len(self.lines)}"
        self.lines.append(f".{name}{{{declarations}}}")
        return name

    def to_css(self) -> str:
        """Return all rules."""
        return "".join(self.lines)


@dataclass(frozen=True, kw_only=True)
class Card:
    """How rows are shown: how much of them, and where their pictures are."""

    rules: Rules
    most_text: int  # characters of a turn
    most_pictures: int
    most_turns: int = 200

    def to_html(self, sample: Sample, address: Address) -> str:
        """Return the pictures and the conversation of a row."""
        pictures = pictures_of(sample)
        colours = _colours_of(sample, pictures)
        shown = pictures[: self.most_pictures]
        figures = "".join(self._figure(number, one, address, colours) for number, one in enumerate(shown))
        left_out = len(pictures) - len(shown)
        if left_out:
            figures += f'<p class="left-out">{left_out} more</p>'
        turns = "".join(self._turns(sample, colours))
        return (f'<div class="pictures n{min(len(pictures), 3)}">{figures}</div>' if figures else "") + (
            f'<div class="turns">{turns}</div>'
        )

    def _figure(self, number: int, picture: Picture, address: Address, colours: dict[str, int]) -> str:
        source = address(number) if picture.size is not None else None
        if picture.size is None or source is None:
            return '<p class="left-out">a picture that cannot be shown</p>'
        width, height = picture.size
        marks = "".join(self._mark(mark, colours) for mark in picture.marks)
        num_said = sum(mark.number >= 0 for mark in picture.marks)
        many = " many" if num_said > (1 if width < SMALL else MOST_LABELS) else ""
        many += " crowded" if len(picture.marks) > MOST_LABELS else ""
        shape = self.rules.add(f"--shape:{width / height:.4f};--wide:{width}px")
        return (
            f'<figure class="picture {shape}{many}"><img src="{escape(source)}" alt="image {number + 1}, '
            f'{width} by {height} pixels" width="{width}" height="{height}" loading="lazy" decoding="async">{marks}'
            "</figure>"
        )

    def _mark(self, mark: Mark, colours: dict[str, int]) -> str:
        x1, y1, x2, y2 = mark.corners
        place = self.rules.add(
            f"left:{x1:.2%};top:{y1:.2%};width:{max(x2 - x1, 0.002):.2%};height:{max(y2 - y1, 0.002):.2%}"
        )
        edges = (" at-top" if y1 < NEAR_TOP else "") + (" at-right" if x1 > NEAR_RIGHT else "")
        told = "said" if mark.number >= 0 else "annotated"
        label = escape(mark.label[:80])
        return (
            f'<span class="mark {told} c{colours[mark.label]} {place}{edges}" data-box="{mark.number}" '
            f'title="{label}"><span class="label">{label}</span></span>'
        )

    def _turns(self, sample: Sample, colours: dict[str, int]) -> Iterator[str]:
        box = image = 0
        for message in sample.messages[: self.most_turns]:
            boxes = sum(len(part.boxes) for part in message.parts if isinstance(part, BoxesPart))
            said = self._said(message, box, image, colours)
            role = escape(message.role)
            yield f'<div class="turn {role}"><span class="role">{role}</span><p>{said}</p></div>'
            box, image = box + boxes, image + sum(isinstance(part, ImagePart) for part in message.parts)
        if len(sample.messages) > self.most_turns:
            yield f'<p class="left-out">{len(sample.messages) - self.most_turns} more turns</p>'

    def _said(self, message: Message, box: int, image: int, colours: dict[str, int]) -> str:
        """Return the parts of a turn; `box` and `image` count those before it."""
        told: list[str] = []
        left = self.most_text
        for part in message.parts:
            match part:
                case TextPart(text):
                    told.append(escape(text[:left]))
                    left -= len(text)
                case ImagePart():
                    image += 1
                    told.append(f'<span class="place">image {image}</span>')
                case BoxesPart(label, boxes):
                    numbers = " ".join(str(number) for number in range(box, box + len(boxes)))
                    corners = " ".join(str(list(one.thousandths())) for one in boxes[:20]) or "?"
                    told.append(
                        f'<span class="ref c{colours[label]}" data-box="{numbers}" title="{corners}" tabindex="0">'
                        f"{escape(label[:300])}<small>{corners}</small></span>"
                    )
                    box += len(boxes)
                    left -= len(label)
            if left < 0:
                told.append('<span class="left-out">…</span>')
                break
        return "".join(told)


def _colours_of(sample: Sample, pictures: list[Picture]) -> dict[str, int]:
    """Return a colour for each label: those that are said come first."""
    parts = (part.label for message in sample.messages for part in message.parts if isinstance(part, BoxesPart))
    drawn = (mark.label for picture in pictures for mark in picture.marks)
    return {label: place % COLOURS for place, label in enumerate(dict.fromkeys([*parts, *drawn]))}
