"""Packages of words: sayings and a dictionary."""
