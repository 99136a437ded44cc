"""Packages of documents: manuals, help, galleries, pages of themes."""
