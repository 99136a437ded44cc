"""Packages of data: tables, and what can be drawn of them."""
