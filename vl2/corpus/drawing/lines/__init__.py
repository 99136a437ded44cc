"""Lines: texts as pictures, from a word to a page."""
