"""Filters: what can be told of a row without a model, each a pure function in its own file."""
