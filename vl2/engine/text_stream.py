"""Tokens to text while they come, up to the first stop string."""

from __future__ import annotations

from vl2.processor.stream_decoder import StreamDecoder
from vl2.processor.tokenizer import Tokenizer


class TextStream:
    """The text of one answer in pieces; all pieces joined are the decode of its tokens, cut before a stop string."""

    def __init__(self, tokenizer: Tokenizer, stop: tuple[str, ...] = ()) -> None:
        self.is_stopped = False
        self._decoder = StreamDecoder(tokenizer)
        self._stop = stop
        self._held = ""  # the text that may yet become a stop string

    def push(self, token_id: int) -> str:
        """Return the text that is certain after this token: nothing of a stop string that may be under way."""
        return self._release(self._decoder.push(token_id))

    def finish(self) -> str:
        """Return what was held back: no more tokens come."""
        piece = self._release(self._decoder.finish())
        rest, self._held = self._held, ""
        return piece + rest

    def _release(self, text: str) -> str:
        if self.is_stopped:
            return ""
        text = self._held + text
        found = [place for place in (text.find(stop) for stop in self._stop) if place >= 0]
        if found:
            self.is_stopped, self._held = True, ""
            return text[: min(found)]
        cut = len(text) - longest_beginning(text, self._stop)
        self._held = text[cut:]
        return text[:cut]


def longest_beginning(text: str, stop: tuple[str, ...]) -> int:
    """Return the length of the longest end of `text` that begins a stop string."""
    longest = min(len(text), max((len(word) - 1 for word in stop), default=0))
    for length in range(longest, 0, -1):
        end = text[-length:]
        if any(word.startswith(end) for word in stop):
            return length
    return 0
