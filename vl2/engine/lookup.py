"""Lookup: guess what follows the last tokens of a sequence from where they stood in it before. No draft model."""

from __future__ import annotations

from collections.abc import Sequence

SIZES = (4, 3, 2)  # of the remembered runs of tokens; the longest that is found decides
FIRST_LENGTH = 4  # of a draft; then as many as were right, doubled when all were
MAX_PAUSE = 32  # guesses left out after drafts of which nothing was right: 1, 2, 4, .. of them


class Lookup:
    """The runs of one sequence's tokens and what came after each. A token costs a few entries of a dict, no scan.

    A guess may be wrong: the sampler chooses every token, a draft only lets the model look at several at once.
    """

    def __init__(self, *, longest: int, never: int) -> None:
        """Guess at most `longest` tokens, and never the token `never` (an image's place)."""
        self.longest, self.never = longest, never
        self._follows: dict[tuple[int, ...], int] = {}  # the place behind each run where it stood last
        self._num_noted = 0
        self._length = min(FIRST_LENGTH, longest)
        self._num_wrong = self._pause = 0

    def propose(self, tokens: Sequence[int], most: int) -> tuple[int, ...]:
        """Return at most `most` tokens that may follow `tokens`, which are those of the last call and more."""
        self._note(tokens)
        if self._pause:
            self._pause -= 1
            return ()
        place = self._find(tokens)
        if place is None:
            return ()
        draft: list[int] = []
        while len(draft) < min(most, self._length):
            # what was just said repeats: the copy goes on into itself
            token = tokens[place] if place < len(tokens) else draft[place - len(tokens)]
            if token == self.never:
                break
            draft.append(token)
            place += 1
        return tuple(draft)

    def learn(self, num_proposed: int, num_accepted: int) -> None:
        """Take how much of a draft was right: as much is guessed next time, and for a while nothing after nothing."""
        if num_accepted == num_proposed:
            self._length = min(2 * self._length, self.longest)
        else:
            self._length = max(1, num_accepted)
        if num_accepted:
            self._num_wrong = 0
        else:
            self._num_wrong += 1
            self._pause = min(2 ** (self._num_wrong - 1), MAX_PAUSE)

    def _note(self, tokens: Sequence[int]) -> None:
        """Remember the runs that something follows by now."""
        for place in range(self._num_noted, len(tokens)):
            if tokens[place] == self.never:
                continue
            for size in SIZES:
                if size <= place:
                    self._follows[tuple(tokens[place - size : place])] = place
        self._num_noted = len(tokens)

    def _find(self, tokens: Sequence[int]) -> int | None:
        """Return what place came after the longest run that ends `tokens`, where it stood last."""
        for size in SIZES:
            place = self._follows.get(tuple(tokens[-size:])) if size <= len(tokens) else None
            if place is not None:
                return place
        return None
