"""Token ids to text as they come, without half characters."""

from __future__ import annotations

import codecs

from vl2.processor.tokenizer import Tokenizer


class StreamDecoder:
    """Decode ids one by one: all pieces joined equal the decode of all ids at once."""

    def __init__(self, tokenizer: Tokenizer, *, skip_special: bool = False) -> None:
        self._tokenizer = tokenizer
        self._skip_special = skip_special
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token_id: int) -> str:
        """Return the characters that `token_id` completes; a character's first bytes wait for the rest."""
        if self._skip_special and token_id in self._tokenizer.special_ids:
            return ""
        return self._utf8.decode(token_bytes(self._tokenizer, token_id))

    def finish(self) -> str:
        """Return what is left: U+FFFD when the last character is incomplete."""
        return self._utf8.decode(b"", final=True)


def token_bytes(tokenizer: Tokenizer, token_id: int) -> bytes:
    """Return the bytes of one token; of an id that the tokenizer does not know, none."""
    text = tokenizer.backend.id_to_token(token_id)
    if text is None:
        return b""
    try:
        return bytes(_BYTE_OF[character] for character in text)
    except KeyError:  # an added token of characters outside the byte alphabet stands for itself
        return text.encode("utf-8")


def _byte_alphabet() -> dict[str, int]:
    """Return the character of each byte in byte-level BPE: printable Latin-1 as is, others from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    alphabet = {chr(byte): byte for byte in sorted(printable)}
    for place, byte in enumerate(byte for byte in range(256) if byte not in printable):
        alphabet[chr(0x100 + place)] = byte
    return alphabet


_BYTE_OF = _byte_alphabet()
