"""Pipelines: what is done to rows beyond measuring them, by a teacher or without one; each is a step of a recipe."""
