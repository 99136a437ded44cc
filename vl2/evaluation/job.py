"""Job: one task over one file of rows, asked in one way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from vl2.core.errors import VL2Error, nearest
from vl2.evaluation.answerers.answerer import Asking
from vl2.evaluation.row import Row
from vl2.evaluation.summary import Degradation
from vl2.evaluation.task import Profile, PromptRule, Task

RowSource = Callable[[], Iterator[Row]]  # called twice: to plan, and to ask


@dataclass(frozen=True, kw_only=True)
class Job:
    """One task over one file of rows, asked in one way."""

    task: Task
    rows: RowSource
    profile: Profile
    data: str = ""  # where the rows lie, as it was given
    split: str = ""
    format: str | None = None
    limit: int = 0  # rows; 0 takes all
    dialect: str | None = None
    degradation: Degradation | None = None

    @property
    def rule(self) -> PromptRule:
        """Return how the profile asks. Raises VL2Error when the task has no such profile."""
        if self.profile not in self.task.profiles:
            valid = list(self.task.profiles)
            raise VL2Error(
                "profile", f"{self.task.name} has no such prompts", got=self.profile, expected=", ".join(valid),
                do=nearest(self.profile, valid),
            )  # fmt: skip
        return self.task.profiles[self.profile]

    @property
    def asking(self) -> Asking:
        """Return how answers are generated."""
        rule = self.rule
        return Asking(max_new_tokens=rule.max_new_tokens, stop=rule.stop, max_tiles=rule.max_tiles)

    def wanted(self) -> Iterator[Row]:
        """Yield the rows."""
        return islice(self.rows(), self.limit or None)
