"""Limits: beyond which a value speaks of a fault, found on the labelled rows of tests/corpus/labelled."""

MOST = {
    "repetition.lines": 0.2,
    "repetition.words": 0.3,
    "repetition.loop": 0.25,
    "truncation.breaks_off": 0.0,
    "code_mix.words": 0.0,
}
