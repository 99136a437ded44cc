"""Recorded: a teacher that says what is written in a file, for tests and for runs that must not cost anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vl2.core.errors import VL2Error
from vl2.corpus.teacher.ask import Ask, Done, Reply, Sampling, TeacherError, key_of
from vl2.corpus.teacher.cache import read_entry


@dataclass(frozen=True)
class Rule:
    """What is said to a prompt whose text holds all of these words."""

    prompt: str
    contains: tuple[str, ...]
    say: str


@dataclass
class Recorded:
    """Replies by key, as a cache has them, and rules; the first rule that fits answers."""

    by_key: dict[str, Reply] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)

    @classmethod
    def read(cls, path: str) -> Recorded:
        """Read lines of a cache, and rules of `prompt`, `contains` and `say`. Raises VL2Error."""
        recorded = cls()
        try:
            lines = Path(path).read_bytes().splitlines()
        except OSError:
            raise VL2Error(path, "no recording here", do="Name a file of replies.") from None
        for number, line in enumerate(filter(None, lines), 1):
            entry = read_entry(line)
            if entry is not None:
                recorded.by_key[entry.key] = entry.reply
            else:
                recorded.rules.append(_read_rule(line, f"{path}: line {number}"))
        return recorded

    def replies(self, asks: Sequence[Ask], sampling: Sampling, done: Done) -> None:
        """Say what is recorded. Raises TeacherError on a request that nothing answers."""
        for ask in asks:
            reply = self.by_key.get(key_of(ask, sampling)) or self._by_rule(ask)
            if reply is None:
                got = f"{ask.prompt}: {ask.text[-120:]!r}"
                raise TeacherError("recording", "has no reply", got=got, do="Record it, or ask a server.")
            done(ask, reply)

    def _by_rule(self, ask: Ask) -> Reply | None:
        fitting = (r for r in self.rules if r.prompt == ask.prompt and all(word in ask.text for word in r.contains))
        rule = next(fitting, None)
        if rule is None:
            return None
        return Reply(text=rule.say, finish_reason="stop", prompt_tokens=len(ask.text) // 4,
                     completion_tokens=len(rule.say) // 4)  # fmt: skip


def _read_rule(line: bytes, thing: str) -> Rule:
    try:
        record: dict[str, Any] = json.loads(line)
        contains = record["contains"]
        return Rule(str(record["prompt"]), tuple(map(str, contains)), str(record["say"]))
    except (ValueError, TypeError, KeyError):
        raise VL2Error(thing, "neither a reply nor a rule", expected="prompt, contains, say") from None
