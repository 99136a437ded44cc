"""Grounding recall: of the things that a caption names, how many are labelled in its image."""

from __future__ import annotations

import re

from vl2.core.sample import Sample
from vl2.corpus.grounding.kinds import load_kinds, words_of
from vl2.corpus.grounding.negatives import Names
from vl2.corpus.step import text_of

MOST_CLAIMS = 24
_CLAUSE_END = re.compile(r"[.,;。，；]\s*")
_GLYPH = "glyph"  # letters are no things that a caption names


def grounding_recall(sample: Sample) -> dict[str, float]:
    """Return how many kinds of things the answers name and the share that is labelled; nothing without labels."""
    labels = [item.label for item in sample.objects if item.kind != _GLYPH]
    claims = claimed_kinds(text_of(sample, ("assistant",)))
    if not labels or not claims:
        return {}
    names = Names(load_kinds())
    found = sum(any(names.may_be_same(claim, label) for label in labels) for claim in claims)
    return {"claims": len(claims), "recall": found / len(claims)}


def claimed_kinds(text: str) -> list[str]:
    """Return the kinds of our table that a text names, each once, by name."""
    kinds = load_kinds()
    if any(name in text for name in ("没有", "no ")):
        text = _without_denials(text)
    words = words_of(text)
    longest = max(map(len, kinds.named))
    found: set[str] = set()
    at = 0
    while at < len(words):
        run = next((n for n in range(min(longest, len(words) - at), 0, -1) if words[at : at + n] in kinds.named), 1)
        found.update(kinds.named.get(words[at : at + run], ())[:1])
        at += run
    chinese = {kind.name for kind in kinds.by_name.values() if len(kind.chinese) > 1 and kind.chinese in text}
    return sorted(found | chinese)[:MOST_CLAIMS]


def _without_denials(text: str) -> str:
    """Return a text without its clauses that say what is not there."""
    clauses = _CLAUSE_END.split(text)
    return "\n".join(clause for clause in clauses if "没有" not in clause and " no " not in f" {clause.lower()}")
