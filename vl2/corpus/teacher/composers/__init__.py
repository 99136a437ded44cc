"""Composers: one for each prompt of a teacher. Each takes the material of a request, and dice for the wording."""
