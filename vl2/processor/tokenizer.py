"""Text to token ids and back. Ids always come from the tokenizer file, never from a constant."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken

from vl2.core.errors import VL2Error
from vl2.core.settings import load_json
from vl2.processor.marks import ADDED_IN_ORDER, ASSISTANT, GROUNDING_MARKS, IMAGE, PAD, USER

MAX_TOKENIZER_BYTES = 64 << 20  # the released files have 4.6 and 7.8 MB
NAMED_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class Tokenizer:
    """A byte-level BPE tokenizer that holds the special tokens of VL2."""

    def __init__(self, backend: tokenizers.Tokenizer, config: dict[str, Any]) -> None:
        """Take a loaded backend and tokenizer_config.json merged with special_tokens_map.json.

        Special tokens that are missing are added in the order of the released code, which fixes their ids.
        Raises VL2Error when the tokenizer cannot hold them.
        """
        decoder = type(backend.decoder).__name__
        if decoder != "ByteLevel":
            raise VL2Error("tokenizer", "not a byte-level one", got=decoder, expected="ByteLevel")
        backend.no_truncation()
        backend.no_padding()
        self.backend = backend
        self.config = _complete(backend, config)
        added = backend.get_added_tokens_decoder()
        self.special_ids = frozenset(number for number, token in added.items() if token.special)
        self._added_texts = tuple(token.content for token in added.values())
        self._marks_aside = _pattern(text for text in self._added_texts if text not in GROUNDING_MARKS)
        self._all_added = _pattern(self._added_texts)
        self.bos_id = self.id_of(token_text(self.config, "bos_token") or "bos_token")
        self.eos_id = self.id_of(token_text(self.config, "eos_token") or "eos_token")
        self.pad_id = self.id_of(token_text(self.config, "pad_token") or "pad_token")
        self.image_id = self.id_of(IMAGE)
        for text in ADDED_IN_ORDER:
            if self.encode(text) != [self.id_of(text)]:
                raise VL2Error("tokenizer", f"does not keep {text} as one token", do="Use a VL2 tokenizer file.")

    @classmethod
    def from_directory(cls, directory: str | Path) -> Tokenizer:
        """Load tokenizer.json, tokenizer_config.json and special_tokens_map.json (which wins) from a directory."""
        directory = Path(directory)
        config = _read_mapping(directory / "tokenizer_config.json")
        config |= _read_mapping(directory / "special_tokens_map.json")
        return cls(_load_backend(directory / "tokenizer.json"), config)

    def __len__(self) -> int:
        """Return how many tokens there are, added ones included; a model's vocabulary may be larger."""
        return self.backend.get_vocab_size(with_added_tokens=True)

    @property
    def eos_text(self) -> str:
        """Return the text of the token that ends an answer."""
        return token_text(self.config, "eos_token") or ""

    def id_of(self, text: str) -> int:
        """Return the id of one token. Raises VL2Error when there is none."""
        number = self.backend.token_to_id(text)
        if number is None:
            raise VL2Error("tokenizer", f"has no token {text!r}", do="Use a VL2 tokenizer file.")
        return number

    def encode(self, text: str, cuts: Sequence[int] = ()) -> list[int]:
        """Return ids without bos and eos. Special strings become special tokens, unless a cut goes through them."""
        if not text:
            return []
        if not cuts:
            return self.backend.encode(_valid_unicode(text), add_special_tokens=False).ids
        bounds = [0, *cuts, len(text)]
        pieces = [text[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]
        return [number for piece in pieces for number in self.encode(piece)]

    def special_places(self, text: str, *, keep_marks: bool = False) -> list[tuple[int, int]]:
        """Return (start, end) of every special string; a cut after its first character makes it ordinary.

        Overlapping ones are all found. With `keep_marks` the five grounding marks are left out.
        """
        pattern = self._marks_aside if keep_marks else self._all_added
        return [found.span(1) for found in pattern.finditer(text)]

    def decode(self, ids: Iterable[int], *, skip_special: bool = False) -> str:
        """Return the text of ids; bytes that are no UTF-8 become U+FFFD, unknown ids nothing."""
        return self.backend.decode([int(number) for number in ids], skip_special_tokens=skip_special)

    def save(self, directory: str | Path) -> None:
        """Write tokenizer.json, tokenizer_config.json and special_tokens_map.json."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.backend.save(str(directory / "tokenizer.json"), pretty=False)
        named = {name: self.config[name] for name in NAMED_TOKENS if token_text(self.config, name)}
        _write_mapping(directory / "tokenizer_config.json", self.config)
        _write_mapping(
            directory / "special_tokens_map.json",
            named | {"additional_special_tokens": self.config["additional_special_tokens"]},
        )


def token_text(config: dict[str, Any], name: str) -> str | None:
    """Return the text of a named token: the files hold a string or a mapping with `content`."""
    value = config.get(name)
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else None


def _complete(backend: tokenizers.Tokenizer, config: dict[str, Any]) -> dict[str, Any]:
    """Add the special tokens that are missing; return the config that names them."""
    config = dict(config)
    _add_declared(backend, config)
    if token_text(config, "pad_token") is None:
        config["pad_token"] = PAD
        _add_special(backend, PAD)
    for text in ADDED_IN_ORDER:
        _add_special(backend, text)
    config["additional_special_tokens"] = [USER, ASSISTANT]  # what the released files list
    return config


def _add_declared(backend: tokenizers.Tokenizer, config: dict[str, Any]) -> None:
    """Add what the config files declare beyond tokenizer.json, by declared id, then by name."""
    declared = config.get("added_tokens_decoder")
    if isinstance(declared, dict) and all(isinstance(value, dict) for value in declared.values()):
        for _, value in sorted(declared.items(), key=lambda item: int(item[0]) if str(item[0]).isdecimal() else 0):
            if isinstance(value.get("content"), str) and value.get("special", False):
                _add_special(backend, value["content"])
    for name in NAMED_TOKENS:
        text = token_text(config, name)
        if text:
            _add_special(backend, text)


def _add_special(backend: tokenizers.Tokenizer, text: str) -> None:
    if not any(token.content == text and token.special for token in backend.get_added_tokens_decoder().values()):
        backend.add_special_tokens([AddedToken(text, normalized=False, special=True)])


def _pattern(texts: Iterable[str]) -> re.Pattern[str]:
    """Compile a pattern that captures, at every position, the longest of `texts` that starts there."""
    longest_first = sorted((text for text in texts if len(text) > 1), key=len, reverse=True)
    return re.compile(f"(?=({'|'.join(map(re.escape, longest_first))}))" if longest_first else r"(?!)()")


def _valid_unicode(text: str) -> str:
    """Replace lone surrogates (JSON can carry them) with U+FFFD; UTF-8 cannot express them."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _load_backend(path: Path) -> tokenizers.Tokenizer:
    if not path.is_file():
        raise VL2Error(str(path), "no such tokenizer file", do="Check the directory.")
    if path.stat().st_size > MAX_TOKENIZER_BYTES:
        raise VL2Error(str(path), "too large for a tokenizer", expected=f"at most {MAX_TOKENIZER_BYTES} bytes")
    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - the library raises bare Exception, and panics past Exception
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise VL2Error(str(path), f"not a tokenizer: {reason}", do="Give a tokenizer.json.") from None


def _read_mapping(path: Path) -> dict[str, Any]:
    return load_json(path) if path.is_file() else {}


def _write_mapping(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
