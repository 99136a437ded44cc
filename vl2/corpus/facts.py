"""Facts: what a row is sorted by when a run is looked at."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import Any

from vl2.core.sample import Sample
from vl2.corpus.filters.language import main_language
from vl2.corpus.filters.markup import without_markup
from vl2.corpus.step import is_kept, text_of

KEPT = "kept"
LANGUAGE = "language."  # the fields of quality that are shares of languages
MOST_NAMES = 1000  # that are told apart: rows of strangers may bring any number of licences, sources and reasons
NO_LANGUAGE, OTHERS = "none", "others"
_CODE = re.compile(r"```(?!html)\w*\n(.*?)```", re.DOTALL)
_QUOTED = re.compile(r"""\"([^"\n]*)\"|'([^'\n]*)'""")


def fate_of(sample: Sample) -> str:
    """Return what became of a row: `kept`, or the step that rejected it and why."""
    return KEPT if is_kept(sample) else f"{sample.decision['step']}: {sample.decision['reason']}"


def language_of(sample: Sample) -> str:
    """Return the language with the largest share, as a step has measured it or else as it is measured now."""
    shares = {name: value for name, value in sample.quality.items() if name.startswith(LANGUAGE) and value > 0}
    if shares:
        return max(shares, key=lambda name: shares[name]).removeprefix(LANGUAGE)
    text = text_of(sample)
    return main_language(_said(text)) or main_language(text) or NO_LANGUAGE


def _said(text: str) -> str:
    """Return a text without the names that belong to markup and code: of code what stands in quotes is kept."""

    def quoted(code: re.Match[str]) -> str:
        return " ".join("".join(parts) for parts in _QUOTED.findall(code.group(1)))

    return _CODE.sub(quoted, without_markup(text))


def key_of(row_id: str) -> int:
    """Return 64 bits of a row's id, equal in every process."""
    return int.from_bytes(hashlib.blake2b(row_id.encode("utf-8", "replace"), digest_size=8).digest())


def count_name(names: Counter[Any], name: Any, number: int = 1, others: Any = OTHERS) -> None:
    """Count a name; when there are too many, as one of the others."""
    names[name if name in names or len(names) < MOST_NAMES else others] += number
