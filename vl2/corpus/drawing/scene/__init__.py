"""Scenes: stamps put together on a ground."""
