"""What the tokens of a vocabulary mean to boxes: which may stand in them, and which would spell a mark."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable

import torch
from tokenizers import pre_tokenizers
from torch import Tensor

from vl2.core.errors import ConfigError, VL2Error
from vl2.engine.box_grammar import CHARACTERS, DIGITS, BoxState, largest_value
from vl2.processor.marks import DET, DET_END, REF, REF_END
from vl2.processor.stream_decoder import token_bytes
from vl2.processor.tokenizer import Tokenizer

_MARKS = tuple(mark.encode() for mark in (REF, REF_END, DET, DET_END))
_BYTE_LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


class BoxVocabulary:
    """The tokens of one tokenizer by their characters. Reading them takes a while: make it once, share it."""

    def __init__(self, tokenizer: Tokenizer, vocab_size: int) -> None:
        """Take the size of the model's vocabulary; ids that the tokenizer does not know are never allowed.

        Raises VL2Error when a character of boxes has no token of its own.
        """
        if len(tokenizer) > vocab_size:
            raise ConfigError("vocab_size", "smaller than the tokenizer", got=vocab_size, expected=len(tokenizer))
        self.vocab_size = vocab_size
        self.eos_id = tokenizer.eos_id
        self.ref_id, self.ref_end_id = tokenizer.id_of(REF), tokenizer.id_of(REF_END)
        self.det_id, self.det_end_id = tokenizer.id_of(DET), tokenizer.id_of(DET_END)
        self.tokenizer = tokenizer
        self._longest = 1  # token, in bytes
        self._numbers: list[tuple[str, int]] = []  # tokens of digits alone
        self._others: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)  # of boxes too, by first character
        self._spelling: defaultdict[bytes, list[int]] = defaultdict(list)  # what ends a mark, by its beginning
        self._text = self._read_tokens()  # [V]
        self._text_masks: dict[tuple[bytes, tuple[int, ...]], Tensor] = {}
        self._continued: dict[str, tuple[list[int], Tensor]] = {}
        missing = set(CHARACTERS) - {text for text, _ in self._numbers} - self._others.keys()
        if missing:
            raise VL2Error("tokenizer", f"has no tokens to write boxes with: {sorted(missing)}")

    def mask(self, ids: Iterable[int] | Tensor) -> Tensor:
        """Return a mask [V] of these tokens."""
        found = torch.zeros(self.vocab_size, dtype=torch.bool)  # [V]
        found[ids if isinstance(ids, Tensor) else torch.tensor([*ids])] = True
        return found

    def text_mask(self, beginning: bytes, also: tuple[int, ...]) -> Tensor:
        """Return a mask [V] of plain text behind the beginning of a mark, and of some special tokens.

        Tokens that would spell the mark to its end are left out. The result is shared: do not write to it.
        """
        found = self._text_masks.get((beginning, also))
        if found is None:
            found = self._text.clone()  # [V]
            found[self._spelling.get(beginning, [])] = False
            found[list(also)] = True
            self._text_masks[beginning, also] = found
        return found

    def bytes_of(self, token_id: int) -> bytes:
        """Return the bytes of a token."""
        return token_bytes(self.tokenizer, token_id)

    def continuing(self, state: BoxState) -> Tensor:
        """Return the tokens [n] that may come in boxes at this place."""
        others = [
            token_id
            for first, tokens in self._others.items()
            if state.next(first) is not None
            for text, token_id in tokens
            if state.read(text) is not None
        ]
        if not state.is_number:
            return torch.tensor(others)
        largest, numbers = self._going_on(state.digits)
        numbers = numbers[bisect_left(largest, state.lower_bound) :]
        return torch.cat((numbers, torch.tensor(others))) if others else numbers

    def spelled(self, text: str) -> str:
        """Return a text in the alphabet of the vocabulary: a character for each byte."""
        return "".join(part for part, _ in _BYTE_LEVEL.pre_tokenize_str(text))

    def beginning(self, spelled: str) -> dict[int, int]:
        """Return the ordinary tokens that a spelled text may begin with, and how many bytes each takes."""
        lookup, special = self.tokenizer.backend.token_to_id, self.tokenizer.special_ids
        lengths = range(1, min(len(spelled), self._longest) + 1)
        pairs = ((lookup(spelled[:length]), length) for length in lengths)
        return {token_id: length for token_id, length in pairs if token_id is not None and token_id not in special}

    def _read_tokens(self) -> Tensor:
        """Sort the tokens by what they are good for; return a mask [V] of plain text."""
        text_ids: list[int] = []
        beginnings: defaultdict[bytes, list[bytes]] = defaultdict(list)  # by what ends the mark
        for mark in _MARKS:
            for at in range(1, len(mark)):
                beginnings[mark[at:]].append(mark[:at])
        ends = tuple(beginnings)
        box_bytes = CHARACTERS.encode()
        for token_id in range(self.vocab_size):
            held = self.bytes_of(token_id)
            if not held or token_id in self.tokenizer.special_ids or any(mark in held for mark in _MARKS):
                continue
            text_ids.append(token_id)
            self._longest = max(self._longest, len(held))
            if held.startswith(ends):
                for end in filter(held.startswith, ends):
                    for beginning in beginnings[end]:
                        self._spelling[beginning].append(token_id)
            if not held.strip(box_bytes):
                self._add_box_token(held.decode(), token_id)
        return self.mask(text_ids)

    def _add_box_token(self, text: str, token_id: int) -> None:
        if text.strip(DIGITS):
            self._others[text[0]].append((text, token_id))
        elif largest_value(text) >= 0:
            self._numbers.append((text, token_id))

    def _going_on(self, digits: str) -> tuple[list[int], Tensor]:
        """Return the tokens [n] of digits that may follow digits, and the largest number each allows, in its order."""
        found = self._continued.get(digits)
        if found is None:
            pairs = sorted((largest_value(digits + text), token_id) for text, token_id in self._numbers)
            pairs = [(largest, token_id) for largest, token_id in pairs if largest >= 0]
            numbers = torch.tensor([token_id for _, token_id in pairs], dtype=torch.int64)  # [n]
            found = self._continued[digits] = ([largest for largest, _ in pairs], numbers)
        return found


def mark_begun(text: bytes) -> bytes:
    """Return the end of a text that begins a mark."""
    start = text.rfind(b"<")
    end = text[start:] if start >= 0 else b""
    return end if any(mark.startswith(end) for mark in _MARKS) else b""
