"""Packages of pictures: clip art and stamps, with their names."""
