"""Galleries: the paper's qualitative sets as conversations over pictures that the user gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vl2.core.errors import VL2Error, nearest
from vl2.engine.answer import Answer
from vl2.engine.assistant import Assistant
from vl2.processor.marks import GROUNDING, REF, REF_END


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One conversation of a gallery: questions in turn, and which of the given pictures the first one shows."""

    questions: Sequence[str]
    num_pictures: int = 1


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One turn as it went."""

    pictures: Sequence[str]
    question: str
    answer: Answer


GALLERIES: Mapping[str, Sequence[Scene]] = {
    "vqa": (
        Scene(questions=("What is shown here?", "What is unusual about it?")),
        Scene(questions=("Read the text.", "What does it mean?")),
    ),
    "multi-image": (
        Scene(questions=("What do these pictures have in common?", "What is different between them?"), num_pictures=2),
        Scene(questions=("Which of these pictures has more objects in it?",), num_pictures=2),
    ),
    "storytelling": (
        Scene(questions=("Tell a short story that leads through these pictures, in their order.",), num_pictures=4),
    ),
    "grounding": (
        Scene(questions=(f"{REF}the largest object{REF_END}",)),
        Scene(questions=(f"{REF}the object on the left{REF_END}",)),
    ),
    "grounded-conversation": (
        Scene(questions=(f"{GROUNDING}Can you describe the content of the image?",)),
        Scene(questions=(f"{GROUNDING}What here could be dangerous, and why?",)),
    ),
    "in-context-grounding": (
        Scene(
            questions=(
                f"{GROUNDING}The first image shows an object within the red rectangle."
                "Please identify the object of the same category in the second image.",
            ),
            num_pictures=2,
        ),
    ),
}


def show_gallery(
    assistant: Assistant, name: str, pictures: Sequence[str], max_new_tokens: int = 256
) -> Iterator[Shown]:
    """Yield the turns of every scene of a gallery; scenes of one picture are shown each of them.

    Raises VL2Error on an unknown name, or when a scene has too few pictures.
    """
    if name not in GALLERIES:
        raise VL2Error("gallery", "is unknown", got=name, expected=", ".join(GALLERIES), do=nearest(name, GALLERIES))
    for scene in GALLERIES[name]:
        if len(pictures) < scene.num_pictures:
            raise VL2Error("gallery", f"{name} needs more pictures", got=len(pictures), expected=scene.num_pictures)
        groups = [[picture] for picture in pictures] if scene.num_pictures == 1 else [pictures[: scene.num_pictures]]
        for group in groups:
            yield from _converse(assistant, scene, group, max_new_tokens)


def _converse(assistant: Assistant, scene: Scene, pictures: Sequence[str], max_new_tokens: int) -> Iterator[Shown]:
    turns: list[dict] = []
    for number, question in enumerate(scene.questions):
        images = [{"type": "image", "image": picture} for picture in pictures] if number == 0 else []
        turns.append({"role": "user", "content": [*images, {"type": "text", "text": f"\n{question}"}]})
        answer = assistant.chat(turns, max_new_tokens=max_new_tokens)
        turns.append({"role": "assistant", "content": answer.text})
        yield Shown(pictures=pictures, question=question, answer=answer)
