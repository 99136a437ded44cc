"""Packages: rows out of what a distribution's own packages hold, so that a corpus can be built without any download."""
