"""Echo: say the question again. It shows that rows, prompts and scores fit together, without a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vl2.evaluation.answerers.answerer import Identity, Question, Reply, text_of


class EchoAnswerer:
    """Answer with the text of the last question."""

    def __init__(self) -> None:
        self.identity = Identity(model="echo", fingerprint="echo")

    def answer(self, questions: Iterable[Question]) -> Iterator[Reply]:
        """Yield what was asked."""
        for question in questions:
            asked = [message for message in question.sample.messages if message.role == "user"]
            yield Reply(question=question, said=text_of(asked[-1]), finish_reason="stop")

    def close(self) -> None:
        """Close nothing."""
