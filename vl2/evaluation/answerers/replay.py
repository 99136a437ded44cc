"""Replay: give the answers of a log again, so that a run can be scored anew, elsewhere, without its model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vl2.core.settings import build
from vl2.evaluation.answerers.answerer import Identity, Question, Reply
from vl2.evaluation.log import read_answers, read_lines
from vl2.evaluation.manifest import read_manifest


@dataclass(frozen=True, kw_only=True)
class SaidLine:
    """One line of a log of any origin."""

    id: str
    said: str


class ReplayAnswerer:
    """Answer from the folder of a run, by content: what was asked otherwise has no answer there.

    Or from JSON lines {"id": .., "said": ..} of any origin, by the id of the row. Raises VL2Error.
    """

    def __init__(self, log: Path) -> None:
        self._is_run = log.is_dir()
        self._said: dict[str, tuple[str, str, int | None, str]]
        if self._is_run:
            self.identity = read_manifest(log).identity
            self._said = {
                key: (line.said, line.finish_reason, line.num_tokens, line.error)
                for key, line in read_answers(log).items()
            }
        else:
            lines = [build(SaidLine, record, thing=str(log)) for record in read_lines(log)]
            self._said = {line.id: (line.said, "stop", None, "") for line in lines}
            digest = hashlib.sha256(log.read_bytes()).hexdigest()
            self.identity = Identity(model=f"replay of {log.name}", fingerprint=digest)

    def answer(self, questions: Iterable[Question]) -> Iterator[Reply]:
        """Yield what the log holds."""
        for question in questions:
            found = self._said.get(question.key if self._is_run else question.id)
            if found is None:
                yield Reply(question=question, error="the log holds no answer to this question")
                continue
            said, finish_reason, num_tokens, error = found
            yield Reply(
                question=question, said=said, finish_reason=finish_reason, num_tokens=num_tokens, error=error
            )  # fmt: skip

    def close(self) -> None:
        """Close nothing."""
