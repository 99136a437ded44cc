"""Grounding: questions where something is, what is marked, and captions with boxes, from objects in pixels."""
