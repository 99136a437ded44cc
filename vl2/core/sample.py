"""Sample: what flows in, whether it comes from a chat, a benchmark row or a corpus step."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from vl2.core.boxes import Box

Role = Literal["system", "user", "assistant"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant")


@dataclass(frozen=True)
class TextPart:
    """Plain text."""

    text: str


@dataclass(frozen=True)
class ImagePart:
    """The place of the next image of the sample; images are used in order."""


@dataclass(frozen=True)
class BoxesPart:
    """A grounded phrase: rendered as `<|ref|>label<|/ref|><|det|>[[..]]<|/det|>`."""

    label: str
    boxes: tuple[Box, ...]


Part = TextPart | ImagePart | BoxesPart


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Role
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class ImageSource:
    """An image that is not decoded yet: a path or its encoded bytes; the size in pixels when it is known."""

    path: str | None = None
    data: bytes | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True)
class SceneObject:
    """Something drawn or annotated in an image: corners in pixels, `kind` tells glyphs from shapes or marks."""

    label: str
    box: tuple[float, float, float, float]
    image: int = 0
    kind: str = "object"


@dataclass(frozen=True)
class Sample:
    """One conversation about images, with what is known of where it comes from."""

    id: str
    messages: tuple[Message, ...]
    images: tuple[ImageSource, ...] = ()
    objects: tuple[SceneObject, ...] = ()
    answers: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    quality: dict[str, float] = field(default_factory=dict)
    decision: dict[str, Any] = field(default_factory=dict)


def sample_to_dict(sample: Sample) -> dict[str, Any]:
    """Return a JSON-ready mapping; image bytes are left out (they travel beside the record)."""
    return {
        "id": sample.id,
        "messages": [{"role": m.role, "parts": [_part_to_dict(p) for p in m.parts]} for m in sample.messages],
        "images": [{k: v for k, v in asdict(i).items() if k != "data" and v is not None} for i in sample.images],
        "objects": [asdict(o) for o in sample.objects],
        "answers": list(sample.answers),
        "provenance": sample.provenance,
        "quality": sample.quality,
        "decision": sample.decision,
    }


def sample_from_dict(record: dict[str, Any], images: tuple[ImageSource, ...] | None = None) -> Sample:
    """Build a Sample from `sample_to_dict`'s mapping; `images` replaces the record's own image sources."""
    return Sample(
        id=record["id"],
        messages=tuple(Message(m["role"], tuple(_part_from_dict(p) for p in m["parts"])) for m in record["messages"]),
        images=images if images is not None else tuple(ImageSource(**i) for i in record["images"]),
        objects=tuple(SceneObject(o["label"], tuple(o["box"]), o["image"], o["kind"]) for o in record["objects"]),
        answers=tuple(record["answers"]),
        provenance=record["provenance"],
        quality=record["quality"],
        decision=record["decision"],
    )


def _part_to_dict(part: Part) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart():
            return {"type": "image"}
        case BoxesPart(label, boxes):
            return {"type": "boxes", "label": label, "boxes": [list(box.thousandths()) for box in boxes]}


def _part_from_dict(record: dict[str, Any]) -> Part:
    if record["type"] == "text":
        return TextPart(record["text"])
    if record["type"] == "image":
        return ImagePart()
    return BoxesPart(record["label"], tuple(Box(*corners) for corners in record["boxes"]))
