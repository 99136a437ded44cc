"""Metrics of the benchmarks: pure functions of an answer and what is accepted, in the dialects of the harnesses."""
